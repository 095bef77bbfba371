package ferret

import (
	"context"
	"log/slog"
)

// quiet lets FerretDB's errors through and turns its warnings into debug
// messages: it warns of every client that leaves, and of a start that was asked
// for.
type quiet struct{ slog.Handler }

// Enabled reports whether a message of FerretDB's level l is wanted.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, ours(l))
}

// Handle passes r on at our level.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = ours(r.Level)
	return q.Handler.Handle(ctx, r)
}

// WithAttrs keeps the levels for derived loggers.
func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }

// WithGroup keeps the levels for derived loggers.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }

func ours(l slog.Level) slog.Level {
	if l >= slog.LevelError {
		return l
	}
	return slog.LevelDebug
}
