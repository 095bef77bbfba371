package ferret

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// Index lets the database find documents of the named database by their _id without
// reading them all. FerretDB has an index that keeps an _id unique, but it asks for
// documents by another expression, for which SQLite cannot use that index; this one
// is on the expression that it asks by. Collections that are created later have
// none until Index is called again. ctx bounds the call.
func (s *Server) Index(ctx context.Context, database string) error {
	file := (&url.URL{Scheme: "file", Opaque: filepath.Join(s.files, database) + ".sqlite", RawQuery: "mode=rw&_pragma=busy_timeout(10000)"}).String()
	db, err := sql.Open("sqlite", file) // the driver that FerretDB has registered
	if err != nil {
		return unindexed(err)
	}
	tables, err := tables(ctx, db)
	for _, t := range tables {
		if err == nil {
			_, err = db.ExecContext(ctx, `CREATE INDEX IF NOT EXISTS `+quoted(t+"_by_id")+` ON `+quoted(t)+` (_ferretdb_sjson->'$._id')`)
		}
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return unindexed(err)
	}
	return nil
}

// tables returns the names of the tables that hold documents.
func tables(ctx context.Context, db *sql.DB) (names []string, err error) {
	rows, err := db.QueryContext(ctx, `SELECT table_name FROM _ferretdb_collections`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func unindexed(err error) error {
	return authz.Errorf(authz.Unavailable, "the embedded database cannot be prepared: %v", err).Because(err)
}
