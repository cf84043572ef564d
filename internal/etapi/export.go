package etapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"etude/internal/transcode"
)

// Export is what somebody had on Elastic Transcoder: pipelines and custom
// presets with their ids.
type Export struct {
	Pipelines []transcode.Pipeline
	Presets   []transcode.Preset
}

// ParseExport reads JSON as the AWS CLI or an SDK printed the answers of
// ListPipelines, ReadPipeline, ListPresets and ReadPreset, or a Terraform state
// of version 4 with resources aws_elastictranscoder_pipeline and
// aws_elastictranscoder_preset. It may be in UTF-16 with a byte order mark, as
// PowerShell saves it. System presets are left out. What is wrong with a
// pipeline or preset is said with its id.
func ParseExport(text []byte) (Export, error) {
	d, err := exportDocument(text)
	if err != nil {
		return Export{}, err
	}
	for _, name := range []string{"Pipelines", "Presets", "resources"} {
		if _, ok := d[name].([]any); d.has(name) && !ok {
			return Export{}, fmt.Errorf("%q is no list", name)
		}
	}
	var found exported
	switch {
	case d.has("Pipelines"), d.has("Presets"), d.has("Pipeline"), d.has("Preset"):
		found = answers(d)
	case d.has("terraform_version"), d.has("resources"):
		found = terraformState(d)
	default:
		return Export{}, errNoExport
	}
	return found.export()
}

var errNoExport = errors.New(`there is none of "Pipelines", "Presets" and Terraform's "resources" in it`)

func exportDocument(text []byte) (document, error) {
	text, _, err := transform.Bytes(unicode.BOMOverride(transform.Nop), text)
	switch {
	case err != nil:
		return nil, err
	case !utf8.Valid(text):
		return nil, errors.New("not valid UTF-8")
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("not valid JSON (the AWS CLI prints it with --output json): %w", err)
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, errNoExport
	}
	return parseBody(text)
}

// exported is pipelines and presets in the API's own names.
type exported struct{ pipelines, presets []document }

func answers(d document) exported {
	e := exported{pipelines: d.structures("Pipelines"), presets: d.structures("Presets")}
	if d.has("Pipeline") {
		e.pipelines = append(e.pipelines, d.structure("Pipeline"))
	}
	if d.has("Preset") {
		e.presets = append(e.presets, d.structure("Preset"))
	}
	return e
}

func (e exported) export() (x Export, err error) {
	for _, d := range e.pipelines {
		if err := check("Pipeline", d); err != nil {
			return x, fmt.Errorf("pipeline %q: %w", d.text("Id"), err)
		}
		x.Pipelines = append(x.Pipelines, pipelineOf(d))
	}
	for _, d := range e.presets {
		if d.text("Type") == string(transcode.SystemPreset) {
			continue
		}
		if err := check("Preset", d); err != nil {
			return x, fmt.Errorf("preset %q: %w", d.text("Id"), err)
		}
		p := preset(d)
		p.ID, p.Type = transcode.PresetID(d.text("Id")), transcode.CustomPreset
		x.Presets = append(x.Presets, p)
	}
	return x, nil
}

// pipelineOf reads a pipeline as the API answers with it.
func pipelineOf(d document) transcode.Pipeline {
	p := transcode.Pipeline{
		ID: transcode.PipelineID(d.text("Id")), Name: d.text("Name"), Status: transcode.PipelineStatus(d.text("Status")),
		InputBucket: d.text("InputBucket"), OutputBucket: d.text("OutputBucket"), Role: d.text("Role"),
		KMSKeyARN: d.text("AwsKmsKeyArn"), Notifications: notifications(d.structure("Notifications")),
		Content:    transcode.OutputConfig{Bucket: d.text("OutputBucket")},
		Thumbnails: transcode.OutputConfig{Bucket: d.text("OutputBucket")},
	}
	if p.Status == "" {
		p.Status = transcode.PipelineActive // Terraform keeps none
	}
	if c := outputConfig(d.structure("ContentConfig")); c != nil && c.Bucket != "" {
		p.Content = *c
	}
	if c := outputConfig(d.structure("ThumbnailConfig")); c != nil && c.Bucket != "" {
		p.Thumbnails = *c
	}
	return p
}

// terraformState finds the two kinds of resource that the AWS provider has.
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/elastictranscoder_pipeline
func terraformState(d document) (e exported) {
	for _, resource := range d.structures("resources") {
		for _, instance := range resource.structures("instances") {
			attributes := instance.structure("attributes")
			switch resource.text("type") {
			case "aws_elastictranscoder_pipeline":
				e.pipelines = append(e.pipelines, terraformPipeline(attributes))
			case "aws_elastictranscoder_preset":
				e.presets = append(e.presets, terraformPreset(attributes))
			}
		}
	}
	return e
}

func terraformPipeline(attributes document) document {
	d := camelCase(attributes)
	for _, name := range []string{"ContentConfig", "ThumbnailConfig", "Notifications"} {
		d.unwrap(name)
	}
	for _, name := range []string{"ContentConfig", "ThumbnailConfig"} {
		if config := d.structure(name); config != nil && d.has(name+"Permissions") {
			config["Permissions"] = d[name+"Permissions"]
		}
	}
	return d
}

func terraformPreset(attributes document) document {
	d := camelCase(attributes)
	for _, name := range []string{"Audio", "AudioCodecOptions", "Video", "Thumbnails"} {
		d.unwrap(name)
	}
	if audio := d.structure("Audio"); audio != nil && d.has("AudioCodecOptions") {
		audio["CodecOptions"] = d["AudioCodecOptions"]
	}
	if video := d.structure("Video"); video != nil {
		video["CodecOptions"] = attributes["video_codec_options"] // its keys are the API's already
		video["Watermarks"] = d["VideoWatermarks"]
	}
	return d
}

// unwrap makes a structure of what Terraform keeps as a list of one at the most.
func (d document) unwrap(name string) {
	if blocks := d.structures(name); len(blocks) > 0 {
		d[name] = map[string]any(blocks[0])
	} else {
		delete(d, name)
	}
}

// oddNames are those of the API that are not Terraform's in camel case.
var oddNames = map[string]string{"fixed_gop": "FixedGOP"}

// camelCase returns d with the API's names for Terraform's, all the way down. To
// Terraform an empty text is one that is not set.
func camelCase(d document) document {
	out := document{}
	for name, v := range d {
		var b strings.Builder
		for word := range strings.SplitSeq(name, "_") {
			if word != "" {
				b.WriteString(strings.ToUpper(word[:1]) + word[1:])
			}
		}
		if v != "" && v != nil {
			out[cmp.Or(oddNames[name], b.String())] = camelCaseValue(v)
		}
	}
	return out
}

func camelCaseValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return map[string]any(camelCase(v))
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = camelCaseValue(v[i])
		}
		return all
	}
	return v
}
