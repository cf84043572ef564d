// Package confine starts programs that can open no files but those they are
// given, with Linux's Landlock. That can only be put on by a process itself: a
// program that has this package in it is started once more, puts it on, and
// becomes the other program. It does so while the package is initialized, before
// most of a large program is, since that would cost more than all the rest; for
// the same reason it uses nothing but the standard library.
//
// It knows nothing of what the programs do.
package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// Rules say what a program may do with files, by their absolute paths. Whatever
// is below a directory goes with it; what is missing is left out. Files that were
// open before stay so.
type Rules struct {
	Run   []string // to be executed and read
	Read  []string // to be read
	Write []string // to be read, written, made and removed
}

// helper is a program's first argument when it is to confine itself.
const helper = "etude-confine"

// exitTrouble is the exit status of a program that could not be confined.
const exitTrouble = 125

func init() {
	if len(os.Args) > 1 && os.Args[1] == helper {
		fmt.Fprintf(os.Stderr, "confine: %v\n", become(os.Args[2:]))
		os.Exit(exitTrouble)
	}
}

// Command returns a command line that confines itself, becomes argv and dies
// with this process. The first word of both is an absolute path.
func Command(r Rules, argv []string) ([]string, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	text, err := json.Marshal(request{Rules: r, Parent: os.Getpid()})
	if err != nil {
		return nil, err
	}
	return append([]string{path, helper, string(text)}, argv...), nil
}

type request struct {
	Rules
	Parent int // who starts it
}

// Available says why nothing can be confined here, or nil.
func Available() error {
	if Version() == 0 {
		return errors.New("this kernel has no Landlock, or it is turned off")
	}
	return nil
}

// become does what Command promises. It returns only if it cannot.
func become(args []string) error {
	if len(args) < 2 {
		return errors.New("there is nothing to become")
	}
	var r request
	if err := json.Unmarshal([]byte(args[0]), &r); err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	return r.exec(args[1:])
}
