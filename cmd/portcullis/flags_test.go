package main

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/config"
)

// TestFlagsAreTheKeys holds the flags of serve against the configuration: a flag
// for every key, a key for every flag, under one name.
func TestFlagsAreTheKeys(t *testing.T) {
	want := map[string]string{}
	for _, k := range config.Reference() {
		want[k.Flag] = k.Name
	}
	for _, command := range []string{"serve", "config check", "config show"} {
		got := map[string]string{}
		for _, f := range flagsOf(t, command) {
			if !slices.Contains([]string{"help", "config", "demo", "dev"}, f.name) {
				got[f.name] = f.key
			}
		}
		require.Equal(t, want, got, command)
	}
}

// TestStoreFlags: the commands that open the store take its keys and those alone.
func TestStoreFlags(t *testing.T) {
	for _, command := range []string{"import", "export", "key create", "key list", "key revoke"} {
		var got []string
		for _, f := range flagsOf(t, command) {
			if f.key != "" {
				got = append(got, f.key)
			}
		}
		require.Equal(t, []string{"data", "mongo.uri", "mongo.database", "log.level", "log.format"}, got, command)
	}
}

type flag struct{ name, key string }

func flagsOf(t *testing.T, command string) (flags []flag) {
	t.Helper()
	parser, err := newParser(&cli{}, &bytes.Buffer{}, &bytes.Buffer{}, func(int) {})
	require.NoError(t, err)
	for _, leaf := range parser.Model.Leaves(false) {
		if leaf.FullPath() != "portcullis "+command {
			continue
		}
		for _, group := range leaf.AllFlags(false) {
			for _, f := range group {
				require.NotEmpty(t, f.Help, f.Name)
				flags = append(flags, flag{f.Name, f.Tag.Get("key")})
			}
		}
	}
	require.NotEmpty(t, flags, command)
	return flags
}

// TestGrammarOfOneCommand: a command by itself takes what it takes among all others.
func TestGrammarOfOneCommand(t *testing.T) {
	leaves := func(grammar any) (all []string) {
		parser, err := newParser(grammar, &bytes.Buffer{}, &bytes.Buffer{}, func(int) {})
		require.NoError(t, err)
		for _, leaf := range parser.Model.Leaves(false) {
			line := leaf.Summary() + ": " + leaf.Help
			for _, group := range leaf.AllFlags(false) {
				for _, f := range group {
					line += "\n" + f.String() + ": " + f.Help
				}
			}
			all = append(all, line)
		}
		return all
	}
	whole := leaves(&cli{})
	var parts []string
	for command := range reflect.TypeFor[cli]().Fields() {
		one := leaves(grammar(strings.ToLower(command.Name)))
		require.Less(t, len(one), len(whole), command.Name)
		parts = append(parts, one...)
	}
	require.Equal(t, whole, parts)
	for _, other := range []string{"", "--help", "decid", "Decide"} {
		require.Equal(t, whole, leaves(grammar(other)), other)
	}
}
