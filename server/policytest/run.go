package policytest

import (
	"context"
	"path"
	"regexp"
	"runtime"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Options say what of a project is run, and how.
type Options struct {
	// Filter picks the cases whose name it matches: "acumatica/AC-01 the assistant
	// sees the company profile", the folder of the suite first. Nil: all.
	Filter   *regexp.Regexp
	Workers  int           // cases at the same time; below 1: one for each processor
	Coverage bool          // find out which lines of the policies take part
	Examine  bool          // give rules and facts of all cases, not of failed ones alone
	OnResult func(*Result) // called as each result is known, one at a time, in no order
}

func (o *Options) matches(suite, name string) bool {
	return o.Filter == nil || o.Filter.MatchString(path.Base(path.Dir(suite))+"/"+name)
}

// job is a result to come and what finds it; run is nil for a row that is not run.
type job struct {
	result Result
	run    func(context.Context, *Result)
}

// Run runs the project's cases. What fails is in the report; the error is
// Unavailable when ctx ended before all had run.
func Run(ctx context.Context, p *Project, o Options) (*Report, error) {
	start := time.Now()
	r := &runner{project: p, options: o, only: p.only()}
	for _, s := range p.Suites {
		r.suite(s)
	}
	r.work(ctx)
	if err := ctx.Err(); err != nil {
		return nil, authz.Errorf(authz.Unavailable, "the run was stopped").Because(err)
	}
	report := &Report{Results: make([]Result, len(r.jobs)), Only: r.only, Took: time.Since(start)}
	for i := range r.jobs {
		report.Results[i] = r.jobs[i].result
	}
	return report, nil
}

// only reports whether some case says only.
func (p *Project) only() bool {
	for _, s := range p.Suites {
		for i := range s.Cases {
			if s.Cases[i].Only {
				return true
			}
		}
	}
	return false
}

// runner is one run.
type runner struct {
	project *Project
	options Options
	only    bool
	jobs    []job
}

func (r *runner) suite(s *Suite) {
	for i := range s.Cases {
		c := &s.Cases[i]
		if !r.options.matches(s.File, c.String()) || r.only && !c.Only {
			continue
		}
		j := job{result: Result{
			Suite: s.File, Line: c.Line, Kind: KindDecision, ID: c.ID, Name: c.Name, Portal: c.Portal, Question: c.question(),
		}}
		if c.Skip != "" {
			j.result.Status, j.result.Why = StatusSkipped, c.Skip
		} else {
			scene := r.project.scenes[keyOf(s, c.Portal, c.Given)]
			j.run = func(ctx context.Context, res *Result) { r.decide(ctx, scene, c, res) }
		}
		r.jobs = append(r.jobs, j)
	}
	for _, row := range s.Pending {
		if r.options.matches(s.File, row.ID) {
			r.jobs = append(r.jobs, job{result: Result{Suite: s.File, Line: row.Line, Kind: KindDecision, ID: row.ID, Status: StatusPending, Why: row.Reason}})
		}
	}
}

// work runs the jobs.
func (r *runner) work(ctx context.Context) {
	workers := r.options.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	var (
		wg   sync.WaitGroup
		told sync.Mutex
		next = make(chan *job)
	)
	for range workers {
		wg.Go(func() {
			for j := range next {
				if j.run != nil && ctx.Err() == nil {
					start := time.Now()
					j.run(ctx, &j.result)
					j.result.Took = time.Since(start)
				}
				if r.options.OnResult != nil && ctx.Err() == nil {
					told.Lock()
					r.options.OnResult(&j.result)
					told.Unlock()
				}
			}
		})
	}
	for i := range r.jobs {
		next <- &r.jobs[i]
	}
	close(next)
	wg.Wait()
}

// decide runs one case.
func (r *runner) decide(ctx context.Context, s *scene, c *Case, res *Result) {
	got, err := s.ask(ctx, c.Query)
	if err != nil {
		res.fail(err)
		return
	}
	res.Diffs = c.Want.Diffs(&got)
	res.Status = StatusPassed
	if got.Err != nil && len(res.Diffs) > 0 {
		res.Err = got.Err.Error()
	}
	if len(res.Diffs) > 0 {
		res.Status = StatusFailed
	}
}

func (r *Result) fail(err error) { r.Status, r.Err = StatusFailed, err.Error() }

// ask puts a question for its own moment.
func (s *scene) ask(ctx context.Context, q authz.Query) (authz.Decision, error) {
	d, err := s.at(q.Now)
	if err != nil {
		return authz.Decision{}, err
	}
	qs, out := [1]authz.Query{q}, [1]authz.Decision{}
	_, err = d.Decide(ctx, s.world.Portal.ID, qs[:], out[:], nil)
	return out[0], err
}
