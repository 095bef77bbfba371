package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/accessdiff"
	"github.com/portcullis-authz/portcullis/server/authz"
)

// ExaminationKind says what is found out about a revision.
type ExaminationKind string

const (
	CheckExamination   ExaminationKind = "check"
	PreviewExamination ExaminationKind = "preview"
)

// ExaminationState says where an examination stands.
type ExaminationState string

const (
	ExaminationRunning   ExaminationState = "running"
	ExaminationDone      ExaminationState = "done"
	ExaminationFailed    ExaminationState = "failed" // nothing is known
	ExaminationCancelled ExaminationState = "cancelled"
)

// Examination is a check or a preview of a revision, under way or over.
type Examination struct {
	ID      string
	Portal  string
	Kind    ExaminationKind
	Number  int64 // of the revision; 0: the folder's policy
	By      string
	State   ExaminationState
	Started time.Time
	Ended   time.Time // zero while it runs
	// Done and Total are how far it is; 0 where that is not known.
	Done, Total int64
	Err         error              // why it failed
	Check       *authz.PolicyCheck // of a check that is done
	Report      *accessdiff.Report // of a preview that is done; nobody may write to it
}

// Bounds of examinations.
const (
	MaxExaminations     = 2         // that run at the same time, of one portal at most one
	maxExaminationsKept = 20        // that are over
	examinationKept     = time.Hour // after its end
	examinationStandard = 2 * time.Minute
)

// examinations are those that run, and those that were over a short while ago. The
// zero value is ready.
type examinations struct {
	mu     sync.Mutex
	all    []*inquiry // in the order in which they were started
	closed bool
	work   sync.WaitGroup
}

// inquiry is one of them.
type inquiry struct {
	mu     sync.Mutex
	is     Examination
	cancel context.CancelCauseFunc
}

// set changes what is known of the examination.
func (x *inquiry) set(change func(*Examination)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(&x.is)
}

func (x *inquiry) progress(done, total int64) {
	x.set(func(e *Examination) { e.Done, e.Total = done, total })
}

func (x *inquiry) get() Examination {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.is
}

var (
	errCancelled = errors.New("it was cancelled")
	errClosed    = errors.New("the service is being stopped")
)

// start runs an examination, and returns at once.
func (l *examinations) start(s *Service, call *Call, kind ExaminationKind, number int64, do func(context.Context, *inquiry) error) (Examination, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return Examination{}, authz.Errorf(authz.Unavailable, "the service is being stopped")
	}
	l.forget(s.now())
	if err := l.room(call.Portal); err != nil {
		return Examination{}, err
	}
	by, _ := actorOf(call.Acting)
	x := &inquiry{is: Examination{ID: newID(), Portal: call.Portal, Kind: kind, Number: number, By: by, State: ExaminationRunning, Started: s.now()}}
	ctx, cancel := context.WithCancelCause(context.Background())
	x.cancel = cancel
	ctx, stop := context.WithTimeout(ctx, s.opts.Examine)
	l.all = append(l.all, x)
	l.work.Go(func() {
		defer stop()
		err := guarded("the examination", func() error { return do(ctx, x) })
		x.end(ctx, s.now(), err)
		x.cancel(nil)
		if e := x.get(); e.State == ExaminationFailed {
			s.opts.Log.Warn("an examination of a policy failed", "portal", e.Portal, "policy", e.Number, "kind", string(e.Kind), "err", e.Err)
		}
	})
	return x.get(), nil
}

// end takes down what came of it.
func (x *inquiry) end(ctx context.Context, now time.Time, err error) {
	x.set(func(e *Examination) {
		e.Ended, e.State = now, ExaminationDone
		if err == nil {
			return
		}
		e.Check, e.Report, e.State, e.Err = nil, nil, ExaminationFailed, err
		switch cause := context.Cause(ctx); {
		case cause == errCancelled:
			e.State, e.Err = ExaminationCancelled, nil
		case cause != nil:
			e.Err = overdue(ctx)
		}
	})
}

// overdue says why an examination ended before it was done.
func overdue(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return authz.Errorf(authz.Unavailable, "the examination took longer than it may: nothing is known").Because(context.Cause(ctx))
	}
	return authz.Errorf(authz.Unavailable, "the examination was stopped: %v", context.Cause(ctx)).Because(context.Cause(ctx))
}

// forget drops what was over long ago, and the oldest of too many. The caller holds
// l.mu.
func (l *examinations) forget(now time.Time) {
	over := 0
	for _, x := range slices.Backward(l.all) {
		if e := x.get(); e.State != ExaminationRunning {
			over++
			if over >= maxExaminationsKept || now.Sub(e.Ended) >= examinationKept {
				l.all = slices.DeleteFunc(l.all, func(y *inquiry) bool { return y == x })
			}
		}
	}
}

// room says why no examination of the portal can begin now. The caller holds l.mu.
func (l *examinations) room(portal string) error {
	running := 0
	for _, x := range l.all {
		e := x.get()
		if e.State != ExaminationRunning {
			continue
		}
		if running++; e.Portal == portal {
			return authz.Errorf(authz.Conflict, "a %s of %s is under way, begun by %s: wait for it, or cancel examination %s", e.Kind, policyName(e.Number), e.By, e.ID)
		}
	}
	if running >= MaxExaminations {
		return authz.Errorf(authz.Unavailable, "%d policies are being examined, as many as may be at a time: try again later", running)
	}
	return nil
}

// find returns the examination, or nil.
func (l *examinations) find(portal, id string, now time.Time) *inquiry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	for _, x := range l.all {
		if e := x.get(); e.ID == id && e.Portal == portal {
			return x
		}
	}
	return nil
}

// Examination returns an examination of the portal's policies: one that runs, or that
// ended within the last hour.
func (s *Service) Examination(ctx context.Context, call Call, id string) (Examination, error) {
	x, err := s.examination(ctx, &call, id, authz.ReadCall)
	if err != nil {
		return Examination{}, err
	}
	return x.get(), nil
}

// CancelExamination stops an examination. One that is over stays as it is.
func (s *Service) CancelExamination(ctx context.Context, call Call, id string) error {
	x, err := s.examination(ctx, &call, id, authz.UpdateCall)
	if err == nil {
		x.cancel(errCancelled)
	}
	return err
}

func (s *Service) examination(ctx context.Context, call *Call, id, action string) (*inquiry, error) {
	if _, err := s.permit(ctx, call, general(action, string(authz.PolicyEntity))); err != nil {
		return nil, err
	}
	x := s.examinations.find(call.Portal, id, s.now())
	if x == nil {
		return nil, authz.Errorf(authz.NotFound, "there is no examination %q, or it ended more than an hour ago", cmp.Or(strings.ToValidUTF8(id, ""), "?"))
	}
	return x, nil
}

// Close stops the examinations that run, and waits for their end.
func (s *Service) Close() {
	l := &s.examinations
	l.mu.Lock()
	l.closed = true
	for _, x := range l.all {
		x.cancel(errClosed)
	}
	l.mu.Unlock()
	l.work.Wait()
}
