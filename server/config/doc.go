// Package config is the configuration of the service: its keys, their defaults,
// the layers they come from and the rules they must meet.
//
// One set of names serves every source. The key limits.body is the member body
// under limits in the YAML file, PORTCULLIS_LIMITS_BODY in the environment and
// --limits-body on the command line. A flag overrides the environment, the
// environment overrides the file, and the file overrides the default.
//
// [Load] is strict: an unknown key of the file or an unknown PORTCULLIS_
// variable is a fault, for a misspelt limit would otherwise be no limit. Left
// alone are PORTCULLIS_CONFIG, which names the file, PORTCULLIS_TEST_ variables,
// and those that Kubernetes sets for a service called portcullis. A variable
// that is set but empty is a fault too: a secret that was not filled in must not
// quietly select the embedded database. All faults are reported at once, each
// under the name that the operator wrote.
//
// The address of the database and the webhook's secret are of type [Secret], which
// prints without credentials however it is printed.
//
// The package reads the file and nothing else of its surroundings, and must
// never import any other package of this module.
package config
