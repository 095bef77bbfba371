package main

import (
	"context"
	"fmt"

	"github.com/portcullis-authz/portcullis/server"
)

type policyRescueCmd struct {
	storeFlags
	Portal string `help:"Portal whose policy it is." placeholder:"ID" short:"p" required:""`
	Note   string `help:"Why, for the audit." placeholder:"TEXT"`
	Number int64  `arg:"" help:"Number of a revision that was in force before; 0: the folder's policy."`
}

// Help tells when it is the way, and who can go it.
func (policyRescueCmd) Help() string {
	return `For a portal whose policy lets nobody administer it any more, or does not compile: whoever can open the store needs no key, and the policy in force is not
asked. Otherwise portcullis policy return is the way. The store is the MongoDB of --mongo-uri, or else the data folder, which one process at a time may use: stop the server
on it first. What is done goes into the audit.`
}

// Run brings the revision back.
func (c *policyRescueCmd) Run(ctx context.Context, s *streams) error {
	conf, err := load(s, c.Config, c.storeFlags)
	if err != nil {
		return err
	}
	return withData(ctx, s, &conf, func(store *server.Store) error {
		done, err := server.Rescue(ctx, store, c.Portal, c.Number, whoRuns("policy rescue"), c.Note)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s is in force: revision %d, audit entry %d\n", policyName(c.Number), done.At.Revision, done.Entry.Seq)
		return nil
	})
}
