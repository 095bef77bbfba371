package ferret

import (
	"context"
	"log/slog"
)

// quiet lets FerretDB's errors through and nothing else: it warns of every client
// that leaves, and below that it writes whole documents, which are about people.
type quiet struct{ slog.Handler }

// Enabled reports whether a message of the level is wanted.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError && q.Handler.Enabled(ctx, l)
}

// WithAttrs keeps the levels for derived loggers.
func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }

// WithGroup keeps the levels for derived loggers.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
