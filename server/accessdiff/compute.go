package accessdiff

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/engine"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Options of a computation.
type Options struct {
	Model   string    // Casbin's
	Now     time.Time // of every question; zero: the clock's
	Actions []string  // that are asked about; none: all that the policies name
	// Progress is called now and then with how many of the questions are answered, one
	// call at a time; nil: nobody wants to know.
	Progress func(done, total int64)
	Sample   int  // how many users of a group, and records of a place, are named; 0: 5
	Each     bool // every record is a place of its own
	Workers  int  // below 1: one for each processor
	// Worker does the work of one of them; nil: as it is.
	Worker func(work func())
	// Missing is what the caller has left out of the worlds; it goes into the report.
	Missing []string
}

// Compute returns the effective access difference between the two states of a portal.
// Where Compute ends with ctx there is no report, and the error is Unavailable. A
// portal that cannot be decided on under its program is that error.
func Compute(ctx context.Context, before, after Side, o Options) (*Report, error) {
	start := time.Now()
	if o.Now.IsZero() {
		o.Now = start
	}
	if o.Workers < 1 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Worker == nil {
		o.Worker = func(work func()) { work() }
	}
	o.Sample = cmp.Or(o.Sample, 5)
	c := &comparison{options: o}
	for i, s := range []Side{before, after} {
		side, err := newSide(s, o.Model, o.Now)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		c.both[i] = side
	}
	c.gather()
	asked, err := c.kinds()
	if err != nil {
		return nil, err
	}
	results, err := c.run(ctx, asked)
	if err != nil {
		return nil, err
	}
	r := c.report(results)
	r.Before, r.After, r.Took = before.Name, after.Name, time.Since(start)
	return r, nil
}

// comparison is one computation.
type comparison struct {
	options  Options
	both     [2]*side
	subjects []subject
	// Of each side, by subject: the stored user, and which of the sets of roles it holds.
	principals [2][]*engine.Principal
	roles      [2][]int32
	holders    [2][]*engine.Principal // one for each set of roles; nil for that of nobody
	rights     [2]rightsTable
	people     [2]peopleTable
	texts, ids *interner

	total, done, evaluated, late atomic.Int64
	told                         sync.Mutex
}

// samePolicy reports whether both sides decide by the same rules and settings.
func (c *comparison) samePolicy() bool {
	before, after := c.both[0].policy, c.both[1].policy
	return before != nil && after != nil && before.Same(after)
}

// gather lists who is asked about.
func (c *comparison) gather() {
	seen := map[string]bool{}
	for _, s := range c.both {
		for i := range s.world.Users {
			if id := s.world.Users[i].ID; !seen[id] {
				seen[id] = true
				c.subjects = append(c.subjects, subject{userSubject, id})
			}
		}
	}
	c.subjects = append(c.subjects, subject{anonymousSubject, visitor})
	for i, s := range c.both {
		sets := newInterner()
		c.holders[i] = append(c.holders[i], nil)
		sets.of("")
		for _, who := range c.subjects {
			var p *engine.Principal
			set := int32(0)
			if who.typ == userSubject {
				p = s.users[who.id]
			}
			if p != nil {
				if set = sets.of(fmt.Sprintf("%q", p.EffectiveRoles)); int(set) == len(c.holders[i]) {
					c.holders[i] = append(c.holders[i], p)
				}
			}
			c.principals[i] = append(c.principals[i], p)
			c.roles[i] = append(c.roles[i], set)
		}
		c.rights[i].side, c.rights[i].holders, c.rights[i].at = s, c.holders[i], map[rightsKey]*rightsAt{}
	}
	c.texts, c.ids = newInterner(), newInterner()
	c.texts.of("")
	c.ids.of("")
	for i := range c.rights {
		c.rights[i].texts, c.rights[i].none = c.texts, make([]int32, len(c.holders[i]))
		c.people[i] = peopleTable{c: c, principals: c.principals[i], at: map[string]*peopleAt{}}
	}
}

// run compares the answers to all kinds of questions, several kinds at a time.
func (c *comparison) run(ctx context.Context, asked []kind) ([]*outcome, error) {
	for i := range asked {
		c.total.Add(int64(len(asked[i].resources)) * int64(len(c.subjects)))
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	results := make([]*outcome, len(asked))
	next := make(chan int)
	var working sync.WaitGroup
	for range min(c.options.Workers, len(asked)) {
		working.Go(func() {
			c.options.Worker(func() {
				for i := range next {
					out, err := c.compare(ctx, &asked[i])
					if err != nil {
						stop(err)
					}
					results[i] = out
				}
			})
		})
	}
	for i := range asked {
		next <- i
	}
	close(next)
	working.Wait()
	if ctx.Err() == nil {
		return results, nil
	}
	cause := context.Cause(ctx)
	if e, ok := cause.(*authz.Error); ok {
		return nil, e
	}
	return nil, authz.Errorf(authz.Unavailable, "the comparison was stopped after %d of %d questions", c.done.Load(), c.total.Load()).Because(cause)
}

// progress counts questions as answered.
func (c *comparison) progress(n int64) {
	done := c.done.Add(n)
	if c.options.Progress == nil {
		return
	}
	c.told.Lock()
	defer c.told.Unlock()
	c.options.Progress(done, c.total.Load())
}

// interner gives texts numbers from 0 on. It is safe for concurrent use.
type interner struct {
	mu sync.Mutex
	at map[string]int32
}

func newInterner() *interner { return &interner{at: map[string]int32{}} }

func (x *interner) of(text string) int32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	n, ok := x.at[text]
	if !ok {
		n = int32(len(x.at))
		x.at[text] = n
	}
	return n
}

// rightsTable holds what each set of roles has at the nodes, as numbers of texts that
// both sides share; 0 is the empty text.
type rightsTable struct {
	side    *side
	holders []*engine.Principal
	none    []int32 // of a node that is not there
	texts   *interner
	mu      sync.Mutex
	at      map[rightsKey]*rightsAt
}

type rightsKey struct {
	node string
	read policy.RightsRead
}

type rightsAt struct {
	once  sync.Once
	texts []int32 // by set of roles
}

// of returns what each set of roles has at the node that the question leads to.
func (t *rightsTable) of(q *authz.Query, read policy.RightsRead) []int32 {
	if t.side.policy == nil || !read.Rights && !read.Fields {
		return t.none
	}
	node, ok := t.side.node(q)
	if !ok {
		return t.none
	}
	key := rightsKey{node, read}
	t.mu.Lock()
	x := t.at[key]
	if x == nil {
		x = &rightsAt{}
		t.at[key] = x
	}
	t.mu.Unlock()
	x.once.Do(func() {
		x.texts = make([]int32, len(t.holders))
		for i, p := range t.holders {
			f := t.side.view.Snapshot.Facts(q, engine.Entities{User: p, Fields: read.Fields})
			x.texts[i] = t.texts.of(spelled(&f, read))
		}
	})
	return x.texts
}

// peopleTable holds what scopes can tell of the subjects, once for all scopes that tell
// the same.
type peopleTable struct {
	c          *comparison
	principals []*engine.Principal
	mu         sync.Mutex
	at         map[string]*peopleAt
}

type peopleAt struct {
	once sync.Once
	told []told // by subject
}

// told is what a scope can tell of a subject, as numbers of texts and ids.
type told struct {
	text int32
	ids  []int32
}

func (t *peopleTable) of(s *policy.Scope) []told {
	key := s.UserKey()
	t.mu.Lock()
	x := t.at[key]
	if x == nil {
		x = &peopleAt{}
		t.at[key] = x
	}
	t.mu.Unlock()
	x.once.Do(func() {
		x.told = make([]told, len(t.c.subjects))
		for n, who := range t.c.subjects {
			entity := authz.Entity{Type: who.typ, ID: who.id}
			var p *authz.Principal
			if stored := t.principals[n]; stored != nil {
				p = &stored.Principal
			}
			e := s.User(&entity, p)
			x.told[n] = told{t.c.texts.of("user " + e.Text), t.c.numbers(e.IDs)}
		}
	})
	return x.told
}

func (c *comparison) numbers(ids []string) []int32 {
	if len(ids) == 0 {
		return nil
	}
	all := make([]int32, len(ids))
	for i, id := range ids {
		all[i] = c.ids.of(id)
	}
	return all
}
