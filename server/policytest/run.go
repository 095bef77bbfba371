package policytest

import (
	"context"
	"path"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/pdp"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// Options say what of a project is run, and how.
type Options struct {
	// Filter picks the cases whose name it matches: "acumatica/AC-01 the assistant
	// sees the company profile", the folder of the suite first. Nil: all.
	Filter    *regexp.Regexp
	Select    *Selection    // nil: all
	Workers   int           // cases at the same time; below 1: one for each processor
	Worker    func(func())  // does the work of one of them; nil: as it is
	Coverage  bool          // find out which lines of the policies take part
	CasesOnly bool          // run no Rego tests
	Examine   bool          // give rules and facts of all cases, not of failed ones alone
	OnResult  func(*Result) // called as each result is known, one at a time, in no order
}

func (o *Options) matches(suite, name string) bool {
	return o.Filter == nil || o.Filter.MatchString(path.Base(path.Dir(suite))+"/"+name)
}

// job is a result to come and what finds it; run is nil for a row that is not run.
type job struct {
	result Result
	run    func(context.Context, *Result)
}

// Run runs the project's cases and Rego tests. What fails is in the report; the
// error is Unavailable when ctx ended before all had run, and a [*CompileError]
// when the Rego tests do not compile.
func Run(ctx context.Context, p *Project, o Options) (*Report, error) {
	start := time.Now()
	r := &runner{project: p, options: o, only: p.only()}
	if o.Coverage {
		r.coverage = policy.NewCoverage()
	}
	for _, s := range p.Suites {
		if o.Select == nil || slices.Contains(o.Select.Suites, s.File) {
			r.suite(s)
		}
	}
	r.work(ctx)
	if err := ctx.Err(); err != nil {
		return nil, authz.Errorf(authz.Unavailable, "the run was stopped").Because(err)
	}
	report := &Report{Only: r.only}
	for i := range r.jobs {
		report.Results = append(report.Results, r.jobs[i].result)
	}
	if !r.only && !o.CasesOnly && (o.Select == nil || o.Select.Rego) {
		tests, err := r.rego(ctx)
		if err != nil {
			return nil, err
		}
		report.Results = append(report.Results, tests...)
	}
	var err error
	if o.Coverage {
		report.Coverage, err = p.coverage(r.coverage)
	}
	report.Took = time.Since(start)
	return report, err
}

// only reports whether some case says only.
func (p *Project) only() bool {
	for _, s := range p.Suites {
		for _, row := range s.rows() {
			if row.head().Only {
				return true
			}
		}
	}
	return false
}

// row is a case of any kind.
type row interface {
	head() *Head
	kind() Kind
	question() string
	// ask puts the case to the scene and returns how the answer differs from what
	// is wanted, and what kept the policy from an answer of its own.
	ask(ctx context.Context, s *scene, file string) (diffs []Diff, cause, err error)
	// rulesDiff returns how the rules that decided differ from those wanted.
	rulesDiff(got []string) []Diff
	wantsRules() bool
}

// rows returns the cases in the order of the file's sections.
func (s *Suite) rows() []row {
	rows := make([]row, 0, len(s.Cases)+len(s.Changes))
	for i := range s.Cases {
		rows = append(rows, &s.Cases[i])
	}
	for i := range s.Changes {
		rows = append(rows, &s.Changes[i])
	}
	return rows
}

func (h *Head) head() *Head { return h }

func (c *Case) kind() Kind { return KindDecision }

func (c *Case) wantsRules() bool { return c.Want.Rules != nil }

func (c *Case) rulesDiff(got []string) []Diff { return c.Want.rulesDiff(got) }

func (c *Case) ask(ctx context.Context, s *scene, file string) ([]Diff, error, error) {
	d, err := s.at(c.Now)
	if err != nil {
		return nil, nil, err
	}
	if c.Made() {
		return c.askCall(ctx, d, s, file)
	}
	qs, out := [1]authz.Query{c.Query}, [1]authz.Decision{}
	if _, err := d.Decide(ctx, s.world.Portal.ID, qs[:], out[:], nil); err != nil {
		return nil, nil, err
	}
	return c.Want.Diffs(&out[0]), out[0].Err, nil
}

// askCall puts the call to the scene with what it finds there and what it leaves.
func (c *Case) askCall(ctx context.Context, d *pdp.Decider, s *scene, file string) ([]Diff, error, error) {
	before, after, err := c.sides(s.world, file)
	if err != nil {
		return nil, nil, err
	}
	got, _, err := d.DecideCall(ctx, s.world.Portal.ID, c.Query, before, after)
	if err != nil {
		return nil, nil, err
	}
	return c.Want.Diffs(&got), got.Err, nil
}

func (c *ChangeCase) kind() Kind { return c.Kind }

func (c *ChangeCase) wantsRules() bool { return false }

func (c *ChangeCase) rulesDiff([]string) []Diff { return nil }

func (c *ChangeCase) ask(ctx context.Context, s *scene, file string) ([]Diff, error, error) {
	d, err := s.at(c.Now)
	if err != nil {
		return nil, nil, err
	}
	change, err := c.change(s.world, file)
	if err != nil {
		return nil, nil, err
	}
	if c.Kind == KindAdmission {
		a, err := d.Admit(ctx, s.world.Portal.ID, change, c.Known)
		return c.Want.admissionDiffs(&a), a.Err, err
	}
	t, err := d.Provision(ctx, s.world.Portal.ID, change, c.Known)
	if err == nil && t.Err != nil {
		return nil, nil, t.Err
	}
	return c.Want.provisioningDiffs(&t), nil, err
}

// runner is one run.
type runner struct {
	project  *Project
	options  Options
	only     bool
	jobs     []job
	coverage *policy.Coverage // nil: not wanted
}

func (r *runner) suite(s *Suite) {
	for _, row := range s.rows() {
		h := row.head()
		if !r.options.matches(s.File, h.String()) || r.only && !h.Only {
			continue
		}
		j := job{result: Result{
			Suite: s.File, Line: h.Line, Kind: row.kind(), ID: h.ID, Name: h.Name, Portal: h.Portal, Question: row.question(),
		}}
		if h.Skip != "" {
			j.result.Status, j.result.Why = StatusSkipped, h.Skip
		} else {
			scene := r.project.scenes[keyOf(s, h.Portal, h.Given)]
			j.run = func(ctx context.Context, res *Result) { r.row(ctx, row, scene, res) }
		}
		r.jobs = append(r.jobs, j)
	}
	for _, p := range s.Pending {
		if r.options.matches(s.File, p.ID) && !r.only {
			r.jobs = append(r.jobs, job{result: Result{Suite: s.File, Line: p.Line, Kind: KindDecision, ID: p.ID, Status: StatusPending, Why: p.Reason}})
		}
	}
}

// work runs the jobs.
func (r *runner) work(ctx context.Context) {
	workers := r.options.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	worker := r.options.Worker
	if worker == nil {
		worker = func(work func()) { work() }
	}
	var (
		wg   sync.WaitGroup
		told sync.Mutex
		next = make(chan *job)
	)
	for range workers {
		wg.Go(func() {
			worker(func() {
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
		})
	}
	for i := range r.jobs {
		next <- &r.jobs[i]
	}
	close(next)
	wg.Wait()
}

// row runs one case, and looks at how its answer comes about where that is wanted
// or it fails.
func (r *runner) row(ctx context.Context, c row, s *scene, res *Result) {
	examine := r.options.Coverage || r.options.Examine || c.wantsRules()
	r.ask(ctx, c, s, res, examine)
	if res.Status == StatusFailed && !examine {
		r.ask(ctx, c, s, res, true)
	}
	if res.Status == StatusPassed && !r.options.Examine && !c.wantsRules() {
		res.Rules, res.Facts = nil, nil
	}
}

func (r *runner) ask(ctx context.Context, c row, s *scene, res *Result, examine bool) {
	a := &asking{examine: examine, lens: policy.Lens{Coverage: r.coverage}}
	diffs, cause, err := c.ask(context.WithValue(ctx, askingKey{}, a), s, res.Suite)
	res.Status, res.Diffs = StatusPassed, diffs
	if examine {
		res.Rules, res.Facts = r.project.rules(a.seen.Rules), a.seen.Input
		res.Diffs = append(res.Diffs, c.rulesDiff(ids(res.Rules))...)
	}
	switch {
	case err != nil:
		res.Status, res.Err = StatusFailed, err.Error()
	case len(res.Diffs) > 0 && cause != nil:
		res.Status, res.Err = StatusFailed, cause.Error()
	case len(res.Diffs) > 0:
		res.Status = StatusFailed
	}
}

// rules returns the rules as reports name them.
func (p *Project) rules(applied []policy.Applied) []Rule {
	var rules []Rule
	for _, a := range applied {
		rules = append(rules, Rule{ID: a.ID, Reason: a.Reason, Title: a.Title, File: p.files[a.Module], Line: a.Line})
	}
	return rules
}

func ids(rules []Rule) []string {
	var all []string
	for _, r := range rules {
		all = append(all, r.ID)
	}
	return all
}
