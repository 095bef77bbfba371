package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/keys"
)

// give stores a caller by way of the server and returns the key.
func (r *running) give(t *testing.T, to keys.Store, c authz.Caller) (key, id string) {
	t.Helper()
	key, c.ID, c.Hash = keys.New()
	c.Name, c.CreatedAt = "test", time.Now().UTC().Truncate(time.Millisecond)
	require.NoError(t, to.PutCaller(t.Context(), c, authz.AuditEntry{Actor: "test", Operation: "create"}))
	return key, c.ID
}

// status asks whether Ray may see a screen and returns the status of the answer.
func (r *running) status(t *testing.T, portal, key string) int {
	t.Helper()
	const body = `{"subject":{"type":"user","id":"ray.newman"},"action":{"name":"view"},"resource":{"type":"screen","id":"SP408030"}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+portal+"/access/v1/evaluation", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// TestKeys: a key that this server writes counts at once, and no more at once; one
// that somebody else writes to the store does so within the polling time.
func TestKeys(t *testing.T) {
	r := start(t, demo(t), func(o *server.Options) {
		o.Anonymous, o.DefaultPortal = []authz.Permission{}, "storehut"
	})
	require.Equal(t, 401, r.status(t, "", ""))
	crm := authz.Caller{Portals: []string{"storehut"}, Permissions: []authz.Permission{authz.PermitDecide}}
	for range 20 {
		key, id := r.give(t, r.Callers(), crm)
		require.Equal(t, 200, r.status(t, "", key))
		require.Equal(t, 200, r.status(t, "/portals/storehut", key))
		require.Equal(t, 403, r.status(t, "/portals/storehut-2023", key))
		require.Equal(t, 403, r.status(t, "/portals/none", key))
		require.NoError(t, r.Callers().DeleteCaller(t.Context(), id, authz.AuditEntry{Actor: "test", Operation: "delete"}))
		require.Equal(t, 401, r.status(t, "", key))
	}
	key, id := r.give(t, r.Store(), crm)
	require.Eventually(t, func() bool { return r.status(t, "", key) == 200 }, soon, 10*time.Millisecond)
	require.NoError(t, r.Store().DeleteCaller(t.Context(), id, authz.AuditEntry{Actor: "test", Operation: "delete"}))
	require.Eventually(t, func() bool { return r.status(t, "", key) == 401 }, soon, 10*time.Millisecond)

	short := crm
	short.Until = time.Now().Add(time.Second)
	key, _ = r.give(t, r.Callers(), short)
	require.Equal(t, 200, r.status(t, "", key))
	require.Eventually(t, func() bool { return r.status(t, "", key) == 401 }, soon, 10*time.Millisecond, "a key ends by itself")
}

// TestNobodyCouldAsk: on an address that others reach, a server starts only when
// somebody could ask it, or when it is told that nobody shall.
func TestNobodyCouldAsk(t *testing.T) {
	var log bytes.Buffer
	o := options(t)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	try := func(addr string, anonymous []authz.Permission) error {
		t.Helper()
		o.Addr, o.Anonymous = addr, anonymous
		log.Reset()
		s, err := server.New(t.Context(), o)
		if err == nil {
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			require.NoError(t, s.Run(ended))
		}
		return err
	}
	err := try("0.0.0.0:0", nil)
	require.Equal(t, authz.Invalid, authz.KindOf(err))
	require.ErrorContains(t, err, "addr: nobody could ask this server: 0.0.0.0:0 is open to other machines, and there is no key in the store. "+
		"Make one with portcullis key create, or say with --auth-anonymous what callers without a key may do")
	require.NoError(t, try("0.0.0.0:0", []authz.Permission{}))
	require.NotContains(t, log.String(), "without a key")
	require.NoError(t, try("0.0.0.0:0", []authz.Permission{authz.PermitDecide}))
	require.Contains(t, log.String(), `msg="callers without a key are let in"`)
	require.Contains(t, log.String(), "permissions=[decide]")
	require.NoError(t, try("127.0.0.1:0", nil))
	require.Contains(t, log.String(), "permissions=\"[decide search explain]\"")
	require.NoError(t, try("127.0.0.1:0", []authz.Permission{}))
	require.NotContains(t, log.String(), "without a key")

	store, err := server.OpenStore(t.Context(), o.Store)
	require.NoError(t, err)
	c := authz.Caller{ID: "k", Hash: make([]byte, sha256.Size), Name: "test", Portals: []string{"*"}, Permissions: []authz.Permission{authz.PermitDecide}}
	require.NoError(t, store.PutCaller(t.Context(), c, authz.AuditEntry{Actor: "test", Operation: "create"}))
	require.NoError(t, store.Close(t.Context()))
	require.NoError(t, try("0.0.0.0:0", nil), "there is a key")
	require.NotContains(t, log.String(), "without a key")
}

// TestUnixSocket: a server on a socket answers whoever may open it, and leaves
// nothing behind.
func TestUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "s")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "p.sock")
	r := start(t, nil, func(o *server.Options) { o.Addr = "unix:" + path })
	hc := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	resp, err := hc.Post("http://localhost/access/v1/evaluation", "application/json",
		strings.NewReader(`{"subject":{"type":"user","id":"a"},"action":{"name":"view"},"resource":{"type":"screen","id":"s"}}`))
	require.NoError(t, err)
	require.Equal(t, 404, resp.StatusCode, "let in, and there is no portal")
	require.NoError(t, resp.Body.Close())
	hc.CloseIdleConnections()
	require.NoError(t, r.stop())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
