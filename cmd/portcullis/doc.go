// Command portcullis decides who may do what in customer portals. See the README.
//
// It turns arguments, environment and signals into values for package server,
// and what comes back into text and an exit code. It judges nothing itself and
// imports no policy engine, no database and no web framework.
//
// Exit codes, of which no two commands use one for different things:
//
//	0  all is well; portcullis test: every case passed, or --watch was ended by Ctrl-C
//	1  something is at fault, and the message says what; portcullis test: a suite, a
//	   portal's data, or a file that cannot be read or written; portcullis check:
//	   errors, or with --strict warnings; portcullis fmt --check: a file to format;
//	   portcullis audit verify: an audit that is not whole
//	2  the command line is wrong
//	3  portcullis test, check, fmt: the policies do not compile
//	4  portcullis test: a case failed; or, with --strict or in CI, a case is skipped
//	   without --allow-skips, a case says only, or nothing was run at all; with
//	   --mutate, a change survived unexplained, or the score is below its threshold
//	5  portcullis test: nothing failed, but less than --threshold is covered
//	6  portcullis decide --exit-code: the answer is not allow; portcullis admin and
//	   casbin import: the policy refuses what was to be done
package main
