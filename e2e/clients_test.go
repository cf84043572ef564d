package e2e_test

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// operations are all that Elastic Transcoder has, in the order in which the
// scenario comes to them.
var operations = []string{
	"CreatePipeline", "UpdatePipelineStatus", "ReadPipeline", "ListPipelines", "UpdatePipeline", "UpdatePipelineNotifications", "TestRole",
	"CreatePreset", "ReadPreset", "ListPresets",
	"CreateJob", "ReadJob", "ListJobsByPipeline", "ListJobsByStatus", "CancelJob",
	"DeletePreset", "DeletePipeline",
}

// members are those of a request or reply, as JSON has them.
type members = map[string]any

// caller does one operation through some client of AWS's API.
type caller func(t *testing.T, operation string, params members) (members, error)

// callError is the server's answer as a client told it.
type callError struct{ code, message string }

func (e *callError) Error() string { return e.code + ": " + e.message }

// client is a column of the table.
type client struct {
	name string
	// open makes the caller and says its version. It skips the test where the
	// client is not on this machine.
	open    func(*testing.T, *server) (call caller, version string)
	version string
	did     map[string]string
}

// TestClients has every client do every operation. With -v it prints who could
// do what, as a table in Markdown.
func TestClients(t *testing.T) {
	s := shared(t)
	clients := []*client{
		{name: "aws-sdk-go", open: oldGoCaller},
		{name: "aws-sdk-go-v2", open: goCaller},
		{name: "boto3", open: pythonCaller},
		{name: "boto3 without client, model", open: strippedPythonCaller},
		{name: "boto3 of today, model", open: newPythonCaller},
		{name: "JavaScript SDK v2", open: oldJavaScriptCaller},
		{name: "JavaScript SDK v3", open: javaScriptCaller},
		{name: "AWS CLI", open: cliCaller},
		{name: "AWS CLI of today, model", open: newCLICaller},
		{name: "HTTP as boto 2 sent it", open: httpCaller},
	}
	t.Run("all", func(t *testing.T) {
		for _, c := range clients {
			c.did = map[string]string{}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				call, version := c.open(t, s)
				c.version = version
				scenario{t: t, call: call, did: c.did}.play(c.name)
				for _, operation := range operations {
					if c.did[operation] == "" {
						t.Errorf("%s was not tried", operation)
					}
				}
			})
		}
	})
	t.Logf("what worked:\n%s", table(clients, operations))
}

// table has the operations below one another and the clients side by side.
func table(clients []*client, operations []string) string {
	var b strings.Builder
	row := func(first string, cell func(*client) string) {
		fmt.Fprintf(&b, "| %s |", first)
		for _, c := range clients {
			fmt.Fprintf(&b, " %s |", cell(c))
		}
		b.WriteString("\n")
	}
	row("", func(c *client) string { return c.name })
	row("---", func(*client) string { return "---" })
	row("version", func(c *client) string { return c.version })
	for _, operation := range operations {
		row(operation, func(c *client) string { return cmp.Or(c.did[operation], "not here") })
	}
	return b.String()
}

// scenario is the life of a pipeline, a preset and a job. The pipeline is
// paused, so that nothing but the calls changes anything.
type scenario struct {
	t    *testing.T
	call caller
	did  map[string]string
}

const clientRole = "arn:aws:iam::999999999999:role/Elastic_Transcoder_Default_Role"

// do does an operation and has check say what is wrong with the reply, if
// anything.
func (s scenario) do(operation string, params members, check func(members) error) members {
	s.t.Helper()
	reply, err := s.call(s.t, operation, params)
	if err == nil {
		err = check(reply)
	}
	if err != nil {
		s.did[operation] = "no"
		s.t.Errorf("%s: %v", operation, err)
	} else if s.did[operation] == "" {
		s.did[operation] = "yes"
	}
	return reply
}

// gone says that what was deleted is still there.
func (s scenario) gone(operation, id string) error {
	_, err := s.call(s.t, operation, members{"Id": id})
	var said *callError
	if !errors.As(err, &said) || said.code != "ResourceNotFoundException" {
		return fmt.Errorf("%s afterwards: %v, want ResourceNotFoundException", operation, err)
	}
	return nil
}

// list does an operation for each page and has check see all items.
func (s scenario) list(operation string, params members, items, id string) {
	s.t.Helper()
	all := []any{}
	token := any(nil)
	for range 100 {
		asked := members{}
		for k, v := range params {
			asked[k] = v
		}
		if token != nil && token != "" {
			asked["PageToken"] = token
		}
		reply := s.do(operation, asked, func(r members) error {
			if _, ok := r[items].([]any); !ok {
				return fmt.Errorf("%s is %v", items, r[items])
			}
			return nil
		})
		page, _ := reply[items].([]any)
		all = append(all, page...)
		if token = reply["NextPageToken"]; token == nil || token == "" {
			break
		}
	}
	for _, item := range all {
		if at(item, "Id") == id {
			return
		}
	}
	s.did[operation] = "no"
	s.t.Errorf("%s: %s is not among %d", operation, id, len(all))
}

// is returns a check of one member.
func is(want any, path ...string) func(members) error {
	return func(r members) error {
		if got := at(r, path...); got != want {
			return fmt.Errorf("%s is %v, want %v", strings.Join(path, "."), got, want)
		}
		return nil
	}
}

func (s scenario) play(name string) {
	pipeline := s.pipeline(name)
	preset := s.preset(name)
	s.job(pipeline, preset)
	s.do("DeletePreset", members{"Id": preset}, func(members) error { return s.gone("ReadPreset", preset) })
	s.do("DeletePipeline", members{"Id": pipeline}, func(members) error { return s.gone("ReadPipeline", pipeline) })
}

func (s scenario) pipeline(name string) (id string) {
	topic := "arn:aws:sns:eu-west-1:000000000000:etude-jobs"
	made := s.do("CreatePipeline", members{
		"Name": name, "InputBucket": "media", "Role": clientRole,
		"Notifications": members{"Progressing": "", "Completed": topic, "Warning": "", "Error": topic},
		"ContentConfig": members{"Bucket": "media", "StorageClass": "Standard", "Permissions": []any{
			members{"GranteeType": "Group", "Grantee": "AllUsers", "Access": []any{"Read"}},
		}},
		"ThumbnailConfig": members{"Bucket": "media"},
	}, is("Active", "Pipeline", "Status"))
	id, _ = at(made, "Pipeline", "Id").(string)
	s.do("UpdatePipelineStatus", members{"Id": id, "Status": "Paused"}, is("Paused", "Pipeline", "Status"))
	s.do("ReadPipeline", members{"Id": id}, is("Paused", "Pipeline", "Status"))
	s.list("ListPipelines", members{"Ascending": "false"}, "Pipelines", id)
	s.do("UpdatePipeline", members{"Id": id, "Name": name + " 2"}, func(r members) error {
		grants, _ := at(r, "Pipeline", "ContentConfig", "Permissions").([]any)
		if len(grants) != 1 {
			return fmt.Errorf("%d Permissions were kept, want 1", len(grants))
		}
		return errors.Join(is(name+" 2", "Pipeline", "Name")(r), is(topic, "Pipeline", "Notifications", "Completed")(r))
	})
	s.do("UpdatePipelineNotifications", members{
		"Id": id, "Notifications": members{"Progressing": "", "Completed": "", "Warning": "", "Error": topic},
	}, func(r members) error {
		return errors.Join(is("", "Pipeline", "Notifications", "Completed")(r), is(topic, "Pipeline", "Notifications", "Error")(r))
	})
	s.do("TestRole", members{"Role": clientRole, "InputBucket": "media", "OutputBucket": "media", "Topics": []any{topic}}, is("true", "Success"))
	return id
}

func (s scenario) preset(name string) (id string) {
	made := s.do("CreatePreset", members{
		"Name": name, "Description": "ü <&>", "Container": "mp3",
		"Audio": members{"Codec": "mp3", "SampleRate": "44100", "BitRate": "192", "Channels": "2"},
	}, is("192", "Preset", "Audio", "BitRate"))
	id, _ = at(made, "Preset", "Id").(string)
	s.do("ReadPreset", members{"Id": id}, is("ü <&>", "Preset", "Description"))
	s.list("ListPresets", members{}, "Presets", id)
	return id
}

func (s scenario) job(pipeline, preset string) {
	made := s.do("CreateJob", members{
		"PipelineId": pipeline,
		"Inputs": []any{
			members{"Key": "media/ä b+c.wav", "FrameRate": "auto", "TimeSpan": members{"StartTime": "00:00:01", "Duration": "2.5"}},
			members{"Key": "media/two.wav"},
		},
		"OutputKeyPrefix": "transcoded/clients/",
		"Outputs": []any{
			members{"Key": "a.mp3", "PresetId": preset, "AlbumArt": members{"MergePolicy": "Append", "Artwork": []any{}}},
			members{"Key": "hls", "PresetId": "1351620000001-200060", "SegmentDuration": "10"},
		},
		"Playlists":    []any{members{"Name": "index", "Format": "HLSv3", "OutputKeys": []any{"hls"}}},
		"UserMetadata": members{"user": "7"},
	}, func(r members) error {
		return errors.Join(
			is("Submitted", "Job", "Status")(r), is("media/ä b+c.wav", "Job", "Input", "Key")(r), is("2.5", "Job", "Input", "TimeSpan", "Duration")(r),
			is("Append", "Job", "Output", "AlbumArt", "MergePolicy")(r), is("7", "Job", "UserMetadata", "user")(r),
		)
	})
	id, _ := at(made, "Job", "Id").(string)
	s.do("ReadJob", members{"Id": id}, is("Submitted", "Job", "Status"))
	s.list("ListJobsByPipeline", members{"PipelineId": pipeline, "Ascending": "true"}, "Jobs", id)
	s.list("ListJobsByStatus", members{"Status": "Submitted", "Ascending": "false"}, "Jobs", id)
	s.do("CancelJob", members{"Id": id}, func(members) error {
		read, err := s.call(s.t, "ReadJob", members{"Id": id})
		if err != nil {
			return err
		}
		return is("Canceled", "Job", "Status")(read)
	})
}

// at returns what is in v below some names, nil if there is none.
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(members)
		v = m[name]
	}
	return v
}
