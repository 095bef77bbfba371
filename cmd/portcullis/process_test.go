package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// process is a running portcullis.
type process struct {
	cmd      *exec.Cmd
	out, log *output
	ended    chan struct{}
}

// output gathers what a process writes, and can be read meanwhile.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	on   func(string) // called with all of it after each write, unless nil
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	if o.on != nil {
		o.on(o.text.String())
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func startProcess(dir string, env []string, args ...string) (*process, error) {
	return startWatched(dir, env, nil, args...)
}

// startWatched starts the binary; on is called with all that it has written to
// stderr whenever that grows.
func startWatched(dir string, env []string, on func(log string), args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), out: &output{}, log: &output{on: on}, ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, env, p.out, p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // the state tells
		close(p.ended)
	}()
	return p, nil
}

// wait returns the exit code, or -1 when a signal ended the process. One that does
// not end is killed.
func (p *process) wait() int {
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	return p.cmd.ProcessState.ExitCode()
}

var listening = regexp.MustCompile(`msg=listening addr=(\S+)`)

// addr waits until the server listens.
func (p *process) addr() (string, error) {
	var addr string
	err := p.eventually(func() bool {
		if m := listening.FindStringSubmatch(p.log.String()); m != nil {
			addr = m[1]
		}
		return addr != ""
	})
	return addr, err
}

// eventually waits until ok, the end of the process or of patience.
func (p *process) eventually(ok func() bool) error {
	deadline := time.Now().Add(patience)
	for !ok() {
		select {
		case <-p.ended:
			if ok() {
				return nil
			}
			return fmt.Errorf("the process ended:\n%s", strings.TrimSpace(p.log.String()))
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.New("waited in vain; the log is:\n" + p.log.String())
		}
	}
	return nil
}
