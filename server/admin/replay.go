package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// idempotency returns what makes the write found again, or nil when the call does
// not ask for it.
func (s *Service) idempotency(call *Call, o *order) (*authz.Idempotency, error) {
	if call.IdempotencyKey == "" || call.DryRun {
		return nil, nil
	}
	subject := subjectOf(call.Acting)
	caller := ""
	if call.Acting.Caller != nil {
		caller = call.Acting.Caller.ID
	}
	key, err := digest(caller, subject.Type, subject.ID, call.Portal, call.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	of := []any{o.items, o.rights, o.cells, call.IfMatch, call.Context}
	if o.revising != nil {
		of = append(of, o.revising.word, o.revising.request)
	}
	request, err := digest(of...)
	if err != nil {
		return nil, err
	}
	return &authz.Idempotency{Key: key, Fingerprint: request}, nil
}

// digest hashes values by their JSON.
func digest(values ...any) (string, error) {
	text, err := json.Marshal(values)
	if err != nil {
		return "", authz.Errorf(authz.Invalid, "cannot be written as JSON: %v", err).Because(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// replay returns the answer that the first write with the key left.
func (s *Service) replay(ctx context.Context, call *Call, once *authz.Idempotency) (r Result, found bool, err error) {
	if once == nil {
		return Result{}, false, nil
	}
	fingerprint, answer, err := s.store.Replay(ctx, call.Portal, once.Key)
	switch {
	case err != nil && authz.KindOf(err) == authz.NotFound:
		return Result{}, false, nil
	case err != nil:
		return Result{}, false, err
	case fingerprint != once.Fingerprint:
		return Result{}, false, authz.Errorf(authz.Rejected, "was used for another request before: take a new key for each request, and the same for its repetitions only").At("Idempotency-Key")
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	if err := d.Decode(&r); err != nil {
		return Result{}, false, authz.Errorf(authz.Internal, "the answer that is kept of the first request cannot be read").Because(err)
	}
	r.Replayed = true
	return r, true, nil
}

// remember puts the answer into the record of the write. The number of the audit
// entry is the next one: if another entry comes first, the portal has moved.
func (w *writing) remember(ctx context.Context, once *authz.Idempotency, r *Result) error {
	chain, err := w.s.store.Chain(ctx, w.call.Portal)
	if err != nil && authz.KindOf(err) != authz.NotFound {
		return err
	}
	r.Entry = chain.Seq + 1
	if once.Answer, err = json.Marshal(r); err != nil {
		return authz.Errorf(authz.Internal, "the answer cannot be kept").Because(err)
	}
	return nil
}
