package etapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"etude/internal/transcode"
)

// ModelPath is where a description of this API is looked for below each
// directory of models: the service's name and version.
// https://botocore.amazonaws.com/v1/documentation/api/latest/reference/loaders.html
const ModelPath = signingName + "/" + version

// object is a JSON object whose members keep their order, which is the one
// that the AWS CLI lists options in.
type object []field

type field struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// add appends a member, unless its value says nothing.
func add[T comparable](o *object, name string, value T) {
	var zero T
	if value != zero {
		*o = append(*o, field{name, value})
	}
}

// indented is the text of a model's file.
func indented(o object) []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // of texts and numbers of ours
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		panic(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// described is what the model says of an operation beyond the table of
// operations: a sentence, and the exceptions that not all of them have.
type described struct {
	doc  string
	also []exception
}

// The exceptions of the model, with AWS's statuses.
var (
	incompatibleVersion = exception{"IncompatibleVersionException", http.StatusBadRequest}
	notFound            = domainExceptions[transcode.NotFound]
	denied              = domainExceptions[transcode.Denied]
	inUse               = domainExceptions[transcode.InUse]
	limitExceeded       = domainExceptions[transcode.LimitExceeded]
)

// common are the exceptions of every operation.
var common = []exception{validationException, incompatibleVersion, denied, internalService}

var descriptions = map[string]described{
	"CancelJob":                   {"Cancels a job that no worker has begun.", []exception{notFound, inUse}},
	"CreateJob":                   {"Creates a job: one or several inputs, and the outputs to make of them.", []exception{notFound, limitExceeded}},
	"CreatePipeline":              {"Creates a pipeline: the buckets that jobs read and write, and the topics that are told of them.", []exception{notFound, limitExceeded}},
	"CreatePreset":                {"Creates a preset: the settings of one kind of output.", []exception{limitExceeded}},
	"DeletePipeline":              {"Deletes a pipeline that is not in use.", []exception{notFound, inUse}},
	"DeletePreset":                {"Deletes a preset of one's own.", []exception{notFound}},
	"ListJobsByPipeline":          {"Lists the jobs of a pipeline.", []exception{notFound}},
	"ListJobsByStatus":            {"Lists the jobs that have a status.", []exception{notFound}},
	"ListPipelines":               {"Lists the pipelines.", nil},
	"ListPresets":                 {"Lists the presets, those of the system included.", nil},
	"ReadJob":                     {"Returns a job, its outputs and how far they are.", []exception{notFound}},
	"ReadPipeline":                {"Returns a pipeline.", []exception{notFound}},
	"ReadPreset":                  {"Returns a preset.", []exception{notFound}},
	"TestRole":                    {"Tests whether a role can be used by a pipeline. AWS advised against it.", []exception{notFound}},
	"UpdatePipeline":              {"Changes the settings of a pipeline.", []exception{notFound, inUse}},
	"UpdatePipelineNotifications": {"Changes which topics a pipeline tells.", []exception{notFound, inUse}},
	"UpdatePipelineStatus":        {"Pauses a pipeline, or lets it go on.", []exception{notFound, inUse}},
}

// ServiceModel returns the description of the API that botocore, and with it
// boto3 and the AWS CLI, makes its clients from: service-2.json. It is
// generated from the table that requests are checked against.
// https://botocore.amazonaws.com/v1/documentation/api/latest/reference/loaders.html
func ServiceModel() []byte {
	var ops, types object
	for _, op := range operations {
		ops = append(ops, field{op.name, op.model()})
	}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		types = append(types, field{name, shapes[name].model()})
	}
	for _, e := range append(slices.Clone(common), notFound, inUse, limitExceeded) {
		types = append(types, field{e.name, e.model()})
	}
	return indented(object{
		{"version", "2.0"},
		{"metadata", object{
			{"apiVersion", version},
			{"endpointPrefix", signingName},
			{"protocol", "rest-json"},
			{"protocols", []string{"rest-json"}},
			{"serviceFullName", "Amazon Elastic Transcoder"},
			{"serviceId", "Elastic Transcoder"},
			{"signatureVersion", "v4"},
			{"uid", signingName + "-" + version},
			{"auth", []string{"aws.auth#sigv4"}},
		}},
		{"operations", ops},
		{"shapes", types},
		{"documentation", "Elastic Transcoder's API, version " + version + ", as Etude serves it."},
	})
}

func (op *operation) model() object {
	about := descriptions[op.name]
	var errs []object
	for _, e := range append(slices.Clone(common), about.also...) {
		errs = append(errs, reference(e.name))
	}
	return object{
		{"name", op.name},
		{"http", object{{"method", op.method}, {"requestUri", "/" + version + "/" + op.path}, {"responseCode", op.status}}},
		{"input", reference(op.name + "Request")},
		{"output", reference(op.name + "Response")},
		{"errors", errs},
		{"documentation", about.doc},
	}
}

func reference(shapeName string) object { return object{{"shape", shapeName}} }

// modelTypes are the kinds of shapes in the model's words.
var modelTypes = map[kind]string{
	textKind: "string", integerKind: "integer", longKind: "long",
	listKind: "list", mapKind: "map", structureKind: "structure",
}

// modelPlaces are the places of members in the model's words.
var modelPlaces = map[place]string{inPath: "uri", inQuery: "querystring"}

func (s *shape) model() object {
	o := object{{"type", modelTypes[s.kind]}}
	switch s.kind {
	case structureKind:
		o = append(o, s.membersModel()...)
	case listKind:
		o = append(o, field{"member", reference(s.ofName)})
	case mapKind:
		o = append(o, field{"key", reference(s.keyName)}, field{"value", reference(s.ofName)})
	}
	add(&o, "pattern", s.pattern)
	add(&o, "min", s.min)
	add(&o, "max", s.max)
	return o
}

func (s *shape) membersModel() object {
	var required []string
	members := object{}
	for _, m := range s.members {
		if m.required {
			required = append(required, m.name)
		}
		about := reference(m.shapeName)
		if m.place != inBody {
			about = append(about, field{"location", modelPlaces[m.place]}, field{"locationName", m.name})
		}
		members = append(members, field{m.name, about})
	}
	if required == nil {
		return object{{"members", members}}
	}
	return object{{"required", required}, {"members", members}}
}

func (e exception) model() object {
	o := object{{"type", "structure"}, {"members", object{}}}
	if e.status < http.StatusInternalServerError {
		return append(o, field{"error", object{{"httpStatusCode", e.status}}}, field{"exception", true})
	}
	return append(o, field{"exception", true}, field{"fault", true})
}

// Paginators returns paginators-1.json: how clients go through the pages of a
// list.
func Paginators() []byte {
	var pages object
	for _, p := range []struct{ operation, result string }{
		{"ListJobsByPipeline", "Jobs"},
		{"ListJobsByStatus", "Jobs"},
		{"ListPipelines", "Pipelines"},
		{"ListPresets", "Presets"},
	} {
		pages = append(pages, field{p.operation, object{
			{"input_token", "PageToken"}, {"output_token", "NextPageToken"}, {"result_key", p.result},
		}})
	}
	return indented(object{{"pagination", pages}})
}

// Waiters returns waiters-2.json: how clients wait for the end of a job. As in
// AWS's, they ask every 30 s for up to an hour; a caller may choose otherwise.
func Waiters() []byte {
	acceptor := func(status transcode.Status, state string) object {
		return object{{"expected", string(status)}, {"matcher", "path"}, {"state", state}, {"argument", "Job.Status"}}
	}
	return indented(object{
		{"version", 2},
		{"waiters", object{{"JobComplete", object{
			{"delay", 30},
			{"operation", "ReadJob"},
			{"maxAttempts", 120},
			{"acceptors", []object{
				acceptor(transcode.Complete, "success"),
				acceptor(transcode.Canceled, "failure"),
				acceptor(transcode.Failed, "failure"),
			}},
		}}}},
	})
}

// EndpointRules returns endpoint-rule-set-1.json: a client goes to the endpoint
// that it was given. There is no other: AWS has ended the service.
// https://smithy.io/2.0/additional-specs/rules-engine/specification.html
func EndpointRules() []byte {
	builtIn := func(name, kind, doc string, more ...field) object {
		return append(object{{"builtIn", name}, {"required", false}, {"documentation", doc}, {"type", kind}}, more...)
	}
	return indented(object{
		{"version", "1.0"},
		{"parameters", object{
			{"Region", builtIn("AWS::Region", "String", "The region that requests are signed for.")},
			{"Endpoint", builtIn("SDK::Endpoint", "String", "The URL of an Etude server's AWS endpoint.")},
		}},
		{"rules", []object{
			{
				{"documentation", "The endpoint that was given."},
				{"conditions", []object{{{"fn", "isSet"}, {"argv", []object{{{"ref", "Endpoint"}}}}}}},
				{"endpoint", object{{"url", object{{"ref", "Endpoint"}}}, {"properties", object{}}, {"headers", object{}}}},
				{"type", "endpoint"},
			},
			{
				{"documentation", "No endpoint was given."},
				{"conditions", []object{}},
				{"error", "AWS has ended Elastic Transcoder: name your Etude server, with AWS_ENDPOINT_URL in the environment, --endpoint-url on the command line or endpoint_url in the program"},
				{"type", "error"},
			},
		}},
	})
}
