package etapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"etude/internal/account"
)

// version is the first element of every path.
const version = "2012-09-25"

// operation is one row of the API: where it is found, what it takes, what it
// does and how it answers when that went well. What it takes is the structure
// of its name and "Request".
type operation struct {
	name   string
	method string
	path   string // below the version; {Name} is a member of the request
	status int
	run    func(*api, context.Context, request) (any, error)
}

// request is what an operation is given, its shape checked.
type request struct {
	document
	owner string       // the user whose access key signed it
	role  account.Role // of that key
}

// operations are all that Elastic Transcoder has, with the statuses of AWS's
// service model; old SDKs insist on those.
var operations = []operation{
	{"CreatePipeline", "POST", "pipelines", http.StatusCreated, (*api).createPipeline},
	{"ListPipelines", "GET", "pipelines", http.StatusOK, (*api).listPipelines},
	{"ReadPipeline", "GET", "pipelines/{Id}", http.StatusOK, (*api).readPipeline},
	{"UpdatePipeline", "PUT", "pipelines/{Id}", http.StatusOK, (*api).updatePipeline},
	{"UpdatePipelineStatus", "POST", "pipelines/{Id}/status", http.StatusOK, (*api).updatePipelineStatus},
	{"UpdatePipelineNotifications", "POST", "pipelines/{Id}/notifications", http.StatusOK, (*api).updatePipelineNotifications},
	{"DeletePipeline", "DELETE", "pipelines/{Id}", http.StatusAccepted, (*api).deletePipeline},
	{"TestRole", "POST", "roleTests", http.StatusOK, (*api).testRole},

	{"CreatePreset", "POST", "presets", http.StatusCreated, (*api).createPreset},
	{"ListPresets", "GET", "presets", http.StatusOK, (*api).listPresets},
	{"ReadPreset", "GET", "presets/{Id}", http.StatusOK, (*api).readPreset},
	{"DeletePreset", "DELETE", "presets/{Id}", http.StatusAccepted, (*api).deletePreset},

	{"CreateJob", "POST", "jobs", http.StatusCreated, (*api).createJob},
	{"ReadJob", "GET", "jobs/{Id}", http.StatusOK, (*api).readJob},
	{"CancelJob", "DELETE", "jobs/{Id}", http.StatusAccepted, (*api).cancelJob},
	{"ListJobsByPipeline", "GET", "jobsByPipeline/{PipelineId}", http.StatusOK, (*api).listJobsByPipeline},
	{"ListJobsByStatus", "GET", "jobsByStatus/{Status}", http.StatusOK, (*api).listJobsByStatus},
}

// everyOperation is what requests are for: AWS's operations and ours.
var everyOperation = func() (all []*operation) {
	for i := range operations {
		all = append(all, &operations[i])
	}
	for i := range extensions {
		all = append(all, &extensions[i])
	}
	return all
}()

// action is what IAM calls the operation.
func (op *operation) action() account.Action { return account.Action(signingName + ":" + op.name) }

// route finds the operation that a request is for, and the members that are in
// its path. path is percent-encoded, so that an encoded slash stays within its
// element. One slash at the end makes no difference. A verb that the path does
// not take is an unknown operation, as in AWS, and not 405.
func route(method, path string) (*operation, map[string]string, error) {
	elements := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for _, op := range everyOperation {
		if op.method != method {
			continue
		}
		if members, ok := op.match(elements); ok {
			return op, members, nil
		}
	}
	return nil, nil, &apiError{
		exception: unknownOperation,
		message:   fmt.Sprintf("Elastic Transcoder has no operation %.10s %.200s: paths begin with /%s/.", method, path, version),
	}
}

// match compares the elements of a path with the operation's.
func (op *operation) match(elements []string) (members map[string]string, ok bool) {
	want := strings.Split("/"+version+"/"+op.path, "/")
	if len(want) != len(elements) {
		return nil, false
	}
	members = map[string]string{}
	for i, element := range elements {
		plain, err := url.PathUnescape(element)
		if err != nil {
			return nil, false
		}
		if name, isMember := strings.CutPrefix(want[i], "{"); isMember {
			members[strings.TrimSuffix(name, "}")] = plain
		} else if plain != want[i] {
			return nil, false
		}
	}
	return members, true
}

// input gathers the members of a request from where each of them travels, and
// checks their shapes. What a body says of a member that is not its own counts
// for nothing: boto 2 repeats the Id there.
func (op *operation) input(path map[string]string, query url.Values, body []byte) (document, error) {
	in := document{}
	if op.method == http.MethodPost || op.method == http.MethodPut {
		var err error
		if in, err = parseBody(body); err != nil {
			return nil, err
		}
	}
	name := op.name + "Request"
	for _, m := range shapeOf(name).members {
		switch m.place {
		case inPath:
			in[m.name] = path[m.name]
		case inQuery:
			// A program that sends the token of no page sends an empty one.
			if v := query.Get(m.name); v != "" {
				in[m.name] = v
			}
		}
	}
	return in, check(name, in)
}
