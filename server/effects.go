package server

import (
	"context"

	"github.com/portcullis-authz/portcullis/server/tasks"
	"github.com/portcullis-authz/portcullis/server/webhook"
)

// effects does what writes have led to: the stored tasks of all portals.
type effects struct {
	runner *tasks.Runner
	sender *webhook.Sender // nil: mails wait
}

func newEffects(o *Options, store tasks.Store, performer tasks.Performer) (*effects, error) {
	e := &effects{}
	var deliverer tasks.Deliverer
	if o.Webhook.URL != "" {
		options := o.Webhook
		options.Now = o.Now
		var err error
		if e.sender, err = webhook.New(options); err != nil {
			return nil, err
		}
		deliverer = e.sender
	}
	e.runner = tasks.New(store, performer, deliverer, tasks.Options{Log: o.Log, Now: o.Now})
	return e, nil
}

// run does tasks until ctx ends and none is under way.
func (e *effects) run(ctx context.Context) error {
	if e.sender != nil {
		defer e.sender.Close()
	}
	return e.runner.Run(ctx)
}
