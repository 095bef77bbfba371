package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Exit codes.
const (
	exitOK         = 0
	exitFault      = 1 // something went wrong, and the message says what
	exitUsage      = 2 // the command line itself is wrong
	exitCompile    = 3 // test, check, fmt, policy: the policies do not compile
	exitFailed     = 4 // test, policy check: a case failed
	exitCoverage   = 5 // test: no case failed, but too little of the policies is covered
	exitDiffers    = 4 // diff: access differs more than is allowed, or was not compared whole
	exitNotAllowed = 6 // decide --exit-code: an answer, but not allow
	exitRefused    = 6 // admin, policy, casbin: the policy refuses what was to be done
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on signals have their usual effect again: a second
	// one ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the command line.
type cli struct {
	Serve       serveCmd       `cmd:"" help:"Answer questions over HTTP."`
	Decide      decideCmd      `cmd:"" help:"Ask one question, of a server or of a fixture folder."`
	Test        testCmd        `cmd:"" help:"Hold policies and portals against their decision tables."`
	Check       checkCmd       `cmd:"" help:"Check policies, portals and suites."`
	Diff        diffCmd        `cmd:"" help:"Show who gains and who loses access between two folders."`
	Fmt         fmtCmd         `cmd:"" help:"Format policies, as opa fmt does."`
	Init        initCmd        `cmd:"" help:"Start a portal of your own from a preset."`
	Schema      schemaCmd      `cmd:"" help:"Show or write JSON schemas of what people write by hand."`
	Admin       adminCmd       `cmd:"" help:"Administer portals through a running server."`
	Policy      policyCmd      `cmd:"" help:"Draft, check, preview, approve and publish policies through a running server."`
	Audit       auditCmd       `cmd:"" help:"Read or verify the audit in the store, with no server."`
	Casbin      casbinCmd      `cmd:"" help:"Move roles, rights and grants to and from Casbin."`
	Import      importCmd      `cmd:"" help:"Replace portals in the store by those of a fixture folder."`
	Export      exportCmd      `cmd:"" help:"Write portals of the store into a fixture folder."`
	Key         keyCmd         `cmd:"" help:"Make, list and revoke the keys of callers."`
	Config      configCmd      `cmd:"" help:"Check or show the configuration."`
	Healthcheck healthcheckCmd `cmd:"" help:"Exit 0 when a server is ready to decide."`
	Version     versionCmd     `cmd:"" help:"Show the version."`
}

// streams is where a command writes, and the environment that it runs in.
type streams struct {
	out, err io.Writer
	env      []string
}

// run runs one command and returns the exit code.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	exited := -1
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parser, err := newParser(grammar(args[0]), stdout, stderr, func(code int) { exited = code })
	if err != nil {
		fmt.Fprintln(stderr, "portcullis:", err)
		return exitFault
	}
	parsed, err := parser.Parse(args)
	switch {
	case exited >= 0:
		return exited
	case err != nil:
		fmt.Fprintf(stderr, "portcullis: %v\nSee %s --help.\n", err, strings.Join(asked(err), " "))
		return exitUsage
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return report(parsed.Run(&streams{out: stdout, err: stderr, env: env}), stderr)
}

// grammar returns the command line as far as the first argument leaves it open: the one
// command that it names, or all. Kong reads the tags of whatever it is given, and of all
// commands that takes longer than most of them do.
func grammar(first string) any {
	for command := range reflect.TypeFor[cli]().Fields() {
		if strings.ToLower(command.Name) == first {
			return reflect.New(reflect.StructOf([]reflect.StructField{command})).Interface()
		}
	}
	return &cli{}
}

func newParser(commands any, stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	return kong.New(commands,
		kong.Name("portcullis"),
		kong.Description("Authorization for customer portals: facts from a store, decisions from Rego."),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		configHelp(),
	)
}

// asked returns the program with the command that a wrong command line is of.
func asked(err error) []string {
	names := []string{"portcullis"}
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		for n := e.Context.Selected(); n != nil && n.Type == kong.CommandNode; n = n.Parent {
			names = append(names[:1:1], append([]string{n.Name}, names[1:]...)...)
		}
	}
	return names
}

// exitError ends the program with a code and nothing further to say.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// codedError ends the program with a code and a message that says all.
type codedError struct {
	code int
	text string
}

func (e *codedError) Error() string { return e.text }

func (e *codedError) exitCode() int { return e.code }

// report shows err, with the cause that an operator can act on, and returns the
// exit code.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	text := err.Error()
	if e, ok := errors.AsType[*authz.Error](err); ok && e.Unwrap() != nil {
		if cause := e.Unwrap().Error(); !strings.Contains(text, cause) {
			text += "\ncause: " + cause
		}
	}
	fmt.Fprintln(stderr, "portcullis:", text)
	if coded, ok := errors.AsType[interface {
		error
		exitCode() int
	}](err); ok {
		return coded.exitCode()
	}
	return exitFault
}
