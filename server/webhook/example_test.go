package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/webhook"
)

// genuine reports whether the request was signed with the secret, and lately.
func genuine(secret string, h http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return false
	}
	seconds, err := strconv.ParseInt(h.Get("Webhook-Timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for signature := range strings.SplitSeq(h.Get("Webhook-Signature"), " ") {
		if hmac.Equal([]byte(signature), []byte(want)) {
			return true
		}
	}
	return false
}

// A receiver checks the signature over the body as it came, and sends each mail
// once, however often it is told.
func Example_receiver() {
	const secret = "whsec_c2FtcGxlIHNlY3JldCBvZiAzMiBieXRlcyBpbiBhbGwu"
	var sent sync.Map // in a database, in earnest
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
		if err != nil || !genuine(secret, r.Header, body) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if _, repeated := sent.LoadOrStore(r.Header.Get("Webhook-Id"), true); repeated {
			return // 200: it has been sent
		}
		var mail struct{ Template, To string }
		if err := json.Unmarshal(body, &mail); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Println("send", mail.Template, "to", mail.To)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer receiver.Close()

	sender, err := webhook.New(webhook.Options{URL: receiver.URL, Secret: secret})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sender.Close()
	mail := authz.StoredTask{
		Name: "sweetlife~1", Portal: "sweetlife", Task: authz.Task{Kind: authz.MailTask, Template: "first_login", To: "ann@acme.example"},
		Cause: authz.Key{Kind: authz.UserEntity, ID: "ann"}, CreatedAt: time.Now(),
	}
	for range 2 {
		fmt.Println(sender.Deliver(context.Background(), mail))
	}
	// Output:
	// send first_login to ann@acme.example
	// <nil>
	// <nil>
}
