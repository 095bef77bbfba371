package policytest

import (
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-authz/portcullis/policies"
	"github.com/portcullis-authz/portcullis/server/authz"
	"github.com/portcullis-authz/portcullis/server/fixture"
	"github.com/portcullis-authz/portcullis/server/policy"
)

// MutateOptions say which changes are tried.
type MutateOptions struct {
	Workers  int                   // mutants at the same time; below 1: one for each processor
	Every    int                   // only every n-th mutant is tried; below 2: all
	OnMutant func(done, total int) // called after each, one at a time
}

// Fate is what became of a mutant.
type Fate string

// The fates. An invalid mutant does not compile, or is no portal: nobody could
// have written it.
const (
	FateKilled   Fate = "killed"
	FateInvalid  Fate = "invalid"
	FateSurvived Fate = "survived"
)

// MutantResult is one small change of a policy or of a portal's data, and whether
// some case notices it.
type MutantResult struct {
	File string // as reports name it
	Line int    // of a policy; 0 for data
	What string // such as "drop `level >= need`"
	Fate Fate
	By   string // the case that noticed it
	Why  string // why no case can notice it, as survivors.txt explains; empty: unexplained
}

// MutationReport says which changes no case notices.
type MutationReport struct {
	Mutants                              []MutantResult // policies first, by file and line
	Killed, Invalid, Survived, Explained int            // Explained are among Survived
	Score                                float64        // percentage of killed among killed and survived; 100 when there are none
	// Unused are lines of survivors.txt that stand for no survivor; only when all
	// mutants were tried.
	Unused []string
	Took   time.Duration
}

// Mutate changes the project's policies and portals in every small way, one at a
// time, and finds out which changes no case notices. Of the policies it changes
// the modules that the portals' policies reach, less built-in ones where the project
// has some of its own, and asks the cases of the portals that reach them. Survivors are explained in a file survivors.txt beside the
// suite: a line "mutant  # reason" for each, of which the mutant is the module and
// the change, or for data the change.
//
// The error is Invalid when a case fails without any change, and Unavailable when
// ctx ended.
func Mutate(ctx context.Context, p *Project, o MutateOptions) (*MutationReport, error) {
	start := time.Now()
	m := &mutation{project: p, options: o}
	if err := m.prepare(ctx); err != nil {
		return nil, err
	}
	if err := m.policyMutants(); err != nil {
		return nil, err
	}
	m.dataMutants()
	m.run(ctx)
	if err := ctx.Err(); err != nil {
		return nil, authz.Errorf(authz.Unavailable, "the run was stopped").Because(err)
	}
	report, err := m.report()
	if err == nil {
		report.Took = time.Since(start)
	}
	return report, err
}

// mutation is one such run.
type mutation struct {
	project *Project
	options MutateOptions
	stages  []*stage
	mutants []*mutant
}

// mutant is a change to be tried.
type mutant struct {
	result MutantResult
	key    string // the key has no line, so that it outlives edits elsewhere
	dirs   []string
	try    func(context.Context) (Fate, string, error)
	err    error
}

// stage is a folder of suites with the modules that its portals reach.
type stage struct {
	dir      string
	worlds   []authz.World // by portal
	now      time.Time
	rows     []staged
	variants *policy.Variants
	reach    []string

	mu      sync.Mutex
	killers []int // rows that noticed a change, the last first
}

// staged is a case with its scene and what it evaluates.
type staged struct {
	row
	suite string
	scene *scene
	seen  policy.Examination
}

// prepare runs every case as it is, and notes what it evaluates.
func (m *mutation) prepare(ctx context.Context) error {
	m.gather()
	for _, st := range m.stages {
		if err := st.prepare(ctx, m.project); err != nil {
			return err
		}
	}
	return nil
}

// gather makes the stages, with the cases of each.
func (m *mutation) gather() {
	for _, s := range m.project.Suites {
		st := m.stage(s)
		for _, row := range s.rows() {
			if h := row.head(); h.Skip == "" {
				st.rows = append(st.rows, staged{row: row, suite: s.File, scene: m.project.scenes[keyOf(s, h.Portal, h.Given)]})
			}
		}
	}
}

func (m *mutation) stage(s *Suite) *stage {
	dir := path.Dir(s.File)
	for _, st := range m.stages {
		if st.dir == dir {
			return st
		}
	}
	st := &stage{dir: dir, now: s.Now}
	m.stages = append(m.stages, st)
	return st
}

func (st *stage) prepare(ctx context.Context, p *Project) error {
	portals := map[string]*authz.World{}
	for i := range st.rows {
		r := &st.rows[i]
		diffs, seen, err := r.hold(ctx, r.scene, nil, true)
		if err != nil || len(diffs) > 0 {
			return authz.Errorf(authz.Invalid, "%s:%d: %s fails as it is: have all cases pass before any change is tried", r.suite, r.head().Line, r.head())
		}
		r.seen = seen
		portals[r.head().Portal] = p.portals[st.dir][r.head().Portal]
	}
	for _, id := range slices.Sorted(maps.Keys(portals)) {
		st.worlds = append(st.worlds, *portals[id])
		reached, err := p.program.Reach(portals[id].Portal.Policy)
		if err != nil {
			return err
		}
		st.reach = append(st.reach, reached...)
	}
	modules := policy.Modules{}
	for _, name := range st.reach {
		modules[name] = p.modules[name]
	}
	var err error
	st.variants, err = policy.NewVariants(modules, policies.InputSchema, p.limit)
	return err
}

// hold asks the case under the policy instead of the scene's own, unless it is nil.
func (r *staged) hold(ctx context.Context, s *scene, instead *policy.Policy, examine bool) ([]Diff, policy.Examination, error) {
	a := &asking{instead: instead, examine: examine || r.wantsRules()}
	diffs, _, err := r.ask(context.WithValue(ctx, askingKey{}, a), s, r.suite)
	if r.wantsRules() {
		var got []string
		for _, rule := range a.seen.Rules {
			got = append(got, rule.ID)
		}
		diffs = append(diffs, r.rulesDiff(got)...)
	}
	return diffs, a.seen, err
}

// policyMutants lists the changes of the modules that some portal reaches.
func (m *mutation) policyMutants() error {
	var modules []string
	for _, st := range m.stages {
		modules = append(modules, st.reach...)
	}
	if own := m.project.measured; own != nil {
		modules = slices.DeleteFunc(modules, func(name string) bool { return !own[name] })
	}
	slices.Sort(modules)
	for _, name := range slices.Compact(modules) {
		found, err := policy.Changes(policy.Modules{name: m.project.modules[name]})
		if err != nil {
			return err
		}
		var stages []*stage
		var dirs []string
		for _, st := range m.stages {
			if slices.Contains(st.reach, name) {
				stages, dirs = append(stages, st), append(dirs, st.dir)
			}
		}
		for _, f := range found {
			m.mutants = append(m.mutants, &mutant{
				result: MutantResult{File: m.project.files[name], Line: f.Line, What: f.What}, key: name + ": " + f.What, dirs: dirs,
				try: func(ctx context.Context) (Fate, string, error) { return tryPolicy(ctx, stages, &f) },
			})
		}
	}
	return nil
}

// tryPolicy asks the cases of the stages until one notices the change.
func tryPolicy(ctx context.Context, stages []*stage, c *policy.Change) (Fate, string, error) {
	source, err := c.Source()
	if err != nil {
		return "", "", err
	}
	for _, st := range stages {
		program, err := st.variants.With(c.Module, source)
		if err != nil {
			return FateInvalid, "", nil
		}
		if fate, by := st.tryProgram(ctx, program, c); fate != FateSurvived {
			return fate, by, nil
		}
	}
	return FateSurvived, "", nil
}

func (st *stage) tryProgram(ctx context.Context, program *policy.Program, c *policy.Change) (Fate, string) {
	bound, base := map[*scene]*policy.Policy{}, map[string]*policy.Policy{}
	order := st.order(func(r *staged) bool { return r.seen.Touches(c.Module, c.Line) })
	for _, i := range order {
		r := &st.rows[i]
		p, err := bindTo(program, r.scene, bound, base)
		if err != nil {
			return FateInvalid, "" // the package has no decision rule any more
		}
		if diffs, _, err := r.hold(ctx, r.scene, p, false); err != nil || len(diffs) > 0 {
			st.noticed(i)
			return FateKilled, r.head().String()
		}
	}
	return FateSurvived, ""
}

// bindTo returns the program's policy for the scene. Those of one package share
// what does not depend on the portal.
func bindTo(program *policy.Program, s *scene, bound map[*scene]*policy.Policy, base map[string]*policy.Policy) (p *policy.Policy, err error) {
	if p = bound[s]; p != nil {
		return p, nil
	}
	b := &s.world.Bundle
	if first := base[b.Portal.Policy]; first != nil {
		p, err = first.For(b)
	} else if p, err = program.Bind(b); err == nil {
		base[b.Portal.Policy] = p
	}
	bound[s] = p
	return p, err
}

// maxKillers bounds the cases that are tried first because they noticed changes
// before.
const maxKillers = 12

// order returns the rows in the order in which they are tried: those that noticed
// the last changes, those that are likely to, and the rest.
func (st *stage) order(likely func(*staged) bool) []int {
	st.mu.Lock()
	killers := slices.Clone(st.killers)
	st.mu.Unlock()
	order := make([]int, 0, len(st.rows))
	var rest []int
	for _, i := range killers {
		if likely(&st.rows[i]) {
			order = append(order, i)
		}
	}
	first := len(order)
	for i := range st.rows {
		switch {
		case slices.Contains(order[:first], i):
		case likely(&st.rows[i]):
			order = append(order, i)
		default:
			rest = append(rest, i)
		}
	}
	return append(order, rest...)
}

func (st *stage) noticed(i int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.killers = append([]int{i}, slices.DeleteFunc(st.killers, func(k int) bool { return k == i })...)
	st.killers = st.killers[:min(len(st.killers), maxKillers)]
}

// dataMutants lists the changes of the portals that are asked.
func (m *mutation) dataMutants() {
	for _, st := range m.stages {
		for i := range st.worlds {
			for _, f := range Mutants(st.worlds, i, st.now) {
				file := path.Join(st.folder(f.World.Portal.ID), fileOf(f.Entity.Kind))
				m.mutants = append(m.mutants, &mutant{
					result: MutantResult{File: file, What: f.What}, key: f.What, dirs: []string{st.dir},
					try: func(ctx context.Context) (Fate, string, error) {
						fate, by := st.tryData(ctx, m.project, &f)
						return fate, by, nil
					},
				})
			}
		}
	}
}

// folder returns the portal's folder: the suite's own, or one beside the suite.
func (st *stage) folder(portal string) string {
	if regular(filepath.FromSlash(path.Join(st.dir, "portal.yaml"))) {
		return st.dir
	}
	return path.Join(st.dir, portal)
}

// fileOf returns the file of a portal that holds the entities of a kind.
func fileOf(kind authz.EntityKind) string {
	if kind == authz.PortalEntity {
		return "portal.yaml"
	}
	return string(kind) + "s.yaml"
}

// tryData asks the cases of the portal until one notices the change.
func (st *stage) tryData(ctx context.Context, p *Project, f *Mutant) (Fate, string) {
	if len(f.World.Validate()) > 0 {
		return FateInvalid, ""
	}
	portal := f.World.Portal.ID
	like := p.scenes[sceneKey{st.dir, portal, ""}]
	root, err := newScene(&f.World, p.program, like, !configures(f.Entity.Kind))
	if err != nil {
		return FateInvalid, ""
	}
	scenes := map[string]*scene{"": root}
	order := st.order(func(r *staged) bool { return r.mentions(f.Entity) })
	for _, i := range order {
		r := &st.rows[i]
		if r.head().Portal != portal {
			continue
		}
		s := sceneUnder(scenes, root, p.program, r)
		if s == nil {
			continue // a patch does not fit the changed portal
		}
		if diffs, _, err := r.hold(ctx, s, nil, false); err != nil || len(diffs) > 0 {
			st.noticed(i)
			return FateKilled, r.head().String()
		}
	}
	return FateSurvived, ""
}

func configures(kind authz.EntityKind) bool {
	return !slices.Contains([]authz.EntityKind{authz.UserEntity, authz.AccountEntity, authz.ContactEntity, authz.RecordEntity}, kind)
}

// mentions reports whether the question names the entity.
func (r *staged) mentions(k authz.Key) bool {
	return k.ID != "" && strings.Contains(r.question(), k.ID)
}

// sceneUnder returns the scene that the case's patches make of the changed portal.
func sceneUnder(scenes map[string]*scene, root *scene, program *policy.Program, r *staged) *scene {
	s, key := root, ""
	for _, g := range r.head().Given {
		key += g.Text + "\n"
		next, known := scenes[key]
		if !known && s != nil {
			if w, err := fixture.Patch(s.world, r.suite, g.node); err == nil {
				next, _ = newScene(w, program, s, !g.configures())
			}
			scenes[key] = next
		}
		s = next
	}
	return s
}

// run tries the mutants.
func (m *mutation) run(ctx context.Context) {
	if every := m.options.Every; every > 1 {
		var some []*mutant
		for i := 0; i < len(m.mutants); i += every {
			some = append(some, m.mutants[i])
		}
		m.mutants = some
	}
	workers := m.options.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	var (
		wg   sync.WaitGroup
		told sync.Mutex
		done int
		next = make(chan *mutant)
	)
	for range workers {
		wg.Go(func() {
			for x := range next {
				if ctx.Err() != nil {
					continue
				}
				x.result.Fate, x.result.By, x.err = x.try(ctx)
				told.Lock()
				if done++; m.options.OnMutant != nil {
					m.options.OnMutant(done, len(m.mutants))
				}
				told.Unlock()
			}
		})
	}
	for _, x := range m.mutants {
		next <- x
	}
	close(next)
	wg.Wait()
}

// report counts the mutants by their fate, and looks up why survivors survived.
func (m *mutation) report() (*MutationReport, error) {
	known := survivors{}
	for _, st := range m.stages {
		if err := known.read(st.dir); err != nil {
			return nil, err
		}
	}
	r := &MutationReport{Score: 100}
	for _, x := range m.mutants {
		if x.err != nil {
			return nil, x.err
		}
		switch x.result.Fate {
		case FateKilled:
			r.Killed++
		case FateInvalid:
			r.Invalid++
		case FateSurvived:
			r.Survived++
			if x.result.Why = known.explain(x); x.result.Why != "" {
				r.Explained++
			}
		}
		r.Mutants = append(r.Mutants, x.result)
	}
	if n := r.Killed + r.Survived; n > 0 {
		r.Score = 100 * float64(r.Killed) / float64(n)
	}
	if m.options.Every < 2 {
		r.Unused = known.unused()
	}
	return r, nil
}

// String names the mutant.
func (m *MutantResult) String() string {
	if m.Line == 0 {
		return m.File + ": " + m.What
	}
	return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.What)
}
