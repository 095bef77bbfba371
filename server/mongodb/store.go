package mongodb

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/portcullis-authz/portcullis/server/authz"
)

// scanTimeout bounds what reads or writes a whole collection of a portal at once.
const scanTimeout = 10 * time.Minute

// sweepEvery is how often replaced generations are looked for.
const sweepEvery = time.Minute

// Options say where the store is and how patient it is.
type Options struct {
	URI      string
	Database string
	Embedded bool         // the URI is the in-process database's
	Sole     bool         // nobody else writes to the embedded database while the Store is open
	Log      *slog.Logger // for what no caller waits for; nil: nothing is logged

	// Prepare makes the database ready for use, once its collections are there; nil: it is.
	Prepare func(ctx context.Context, database string) error

	Timeout time.Duration // of one operation; 0: 5 s
	Grace   time.Duration // how long a replaced generation stays readable; 0: 2 min
	Lease   time.Duration // how long an import that stopped renewing keeps others out; 0: 1 min
}

func (o *Options) withDefaults() *Options {
	d := *o
	d.Timeout = cmp.Or(d.Timeout, 5*time.Second)
	d.Grace = cmp.Or(d.Grace, 2*time.Minute)
	d.Lease = cmp.Or(d.Lease, time.Minute)
	d.Sole = d.Sole && d.Embedded
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &d
}

// Store reads and writes portals. It is safe for use by several goroutines.
type Store struct {
	opts   *Options
	client *mongo.Client
	db     *mongo.Database

	// turn holds one token: writes to the embedded database, which compares and
	// sets in two steps, take turns.
	turn chan struct{}
	// unfinished says that a journal may be left: only for the embedded database.
	unfinished atomic.Bool

	kept    kept
	files   fileSets
	rosters rosters
	nudges  nudges
	agenda  agenda
	holder  string // of the tasks that this Store has claimed

	sweep   chan struct{} // capacity 1: asks the sweeper to look now
	broom   chan struct{} // holds one token: one sweep at a time
	stop    context.CancelFunc
	sweeper sync.WaitGroup
}

// Open connects, refuses a server that cannot keep the store's promises,
// prepares the collections and completes an import that was committed but not
// finished. The caller closes the Store.
//
// A server that does not answer within Options.Timeout is authz.Unavailable; a
// standalone MongoDB server, or a URI that is none, is authz.Invalid.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := connect(o.withDefaults())
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		s.disconnect(ctx)
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.sweeper.Go(func() { s.sweepUntil(background) })
	s.sweepSoon()
	return s, nil
}

func connect(o *Options) (*Store, error) {
	client := options.Client().ApplyURI(o.URI).
		SetServerSelectionTimeout(o.Timeout).
		SetConnectTimeout(o.Timeout).
		SetAppName("portcullis")
	if !o.Embedded {
		client.SetWriteConcern(writeconcern.Majority())
	}
	c, err := mongo.Connect(client)
	if err != nil {
		return nil, authz.Errorf(authz.Invalid, "cannot use the MongoDB URI: %v", err).Because(err)
	}
	s := &Store{
		opts: o, client: c, db: c.Database(o.Database), holder: uuid.NewString(),
		turn: make(chan struct{}, 1), sweep: make(chan struct{}, 1), broom: make(chan struct{}, 1),
	}
	s.turn <- struct{}{}
	s.unfinished.Store(o.Embedded)
	s.kept.on = o.Sole
	s.broom <- struct{}{}
	return s, nil
}

// prepare brings the database to where reads and writes may begin.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.greet(ctx); err != nil {
		return err
	}
	if err := s.createCollections(ctx); err != nil {
		return err
	}
	if s.opts.Prepare != nil {
		if err := s.opts.Prepare(ctx, s.opts.Database); err != nil {
			return err
		}
	}
	if err := s.completed(ctx); err != nil {
		return unavailable("written", err)
	}
	if err := s.finish(ctx); err != nil {
		return err
	}
	if s.opts.Embedded {
		return s.breakLeases(ctx)
	}
	return nil
}

// greet asks the server what it is.
func (s *Store) greet(ctx context.Context) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var hello struct {
		SetName string `bson:"setName"`
		Msg     string `bson:"msg"`
	}
	err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	if err != nil {
		return unavailable("reached", err)
	}
	if s.opts.Embedded || hello.SetName != "" || hello.Msg == "isdbgrid" {
		return nil
	}
	return authz.Errorf(authz.Invalid, "%s", standalone)
}

// standalone tells the operator the way out; a replica set of one is enough.
var standalone = strings.Join([]string{
	"this MongoDB server is a standalone server, which has neither transactions nor change streams.",
	"Make it a replica set, which one server can be by itself: start mongod with --replSet rs0",
	"(or set replication.replSetName in its configuration file), run rs.initiate() once in mongosh,",
	"and add ?replicaSet=rs0 to the URI",
}, " ")

// Close ends the store's own work and its connections.
func (s *Store) Close(ctx context.Context) error {
	s.stop()
	s.sweeper.Wait()
	if err := s.client.Disconnect(ctx); err != nil {
		return unavailable("closed", err)
	}
	return nil
}

// disconnect gives up a connection that no Store came of; its failure adds
// nothing to the one that led here.
func (s *Store) disconnect(ctx context.Context) {
	ctx, cancel := s.bounded(context.WithoutCancel(ctx))
	defer cancel()
	_ = s.client.Disconnect(ctx)
}

func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.opts.Timeout)
}

// now returns the time as the database keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
