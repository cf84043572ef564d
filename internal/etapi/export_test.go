package etapi_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"etude/internal/etapi"
	"etude/internal/sqlstore/sqlstoretest"
	"etude/internal/transcode"
)

func TestExportOfTerraform(t *testing.T) {
	text, err := os.ReadFile("testdata/export/terraform.tfstate")
	if err != nil {
		t.Fatal(err)
	}
	got, err := etapi.ParseExport(text)
	if err != nil {
		t.Fatal(err)
	}
	want := etapi.Export{
		Pipelines: []transcode.Pipeline{{
			ID: "1533765810590-ab12cd", Name: "Audio Files", Status: transcode.PipelineActive, InputBucket: "songs-in",
			Role:          "arn:aws:iam::123456789012:role/transcoder",
			Notifications: transcode.Notifications{Completed: "arn:aws:sns:eu-west-1:123456789012:jobs"},
			Content: transcode.OutputConfig{Bucket: "songs-out", StorageClass: "Standard", Permissions: []transcode.Permission{
				{GranteeType: "Group", Grantee: "AllUsers", Access: []string{"Read"}},
			}},
			Thumbnails: transcode.OutputConfig{Bucket: "songs-thumbs", StorageClass: "ReducedRedundancy", Permissions: []transcode.Permission{}},
		}},
		Presets: []transcode.Preset{{
			ID: "1533765811000-zz99yy", Name: "voice", Description: "Speech", Container: "mp4", Type: transcode.CustomPreset,
			Audio: &transcode.Audio{Codec: "AAC", SampleRate: "44100", BitRate: "96", Channels: "1", PackingMode: "SingleTrack", CodecOptions: &transcode.AudioOptions{Profile: "AAC-LC"}},
		}, {
			ID: "1533765812000-xx88ww", Name: "small video", Container: "mp4", Type: transcode.CustomPreset,
			Video: &transcode.Video{
				Codec: "H.264", KeyframesMaxDist: "90", FixedGOP: "false", BitRate: "800", FrameRate: "auto", MaxFrameRate: "30",
				MaxWidth: "640", MaxHeight: "360", DisplayAspectRatio: "auto", SizingPolicy: "ShrinkToFit", PaddingPolicy: "NoPad",
				CodecOptions: map[string]string{"Profile": "main", "Level": "3", "MaxReferenceFrames": "3", "InterlacedMode": "Progressive", "ColorSpaceConversionMode": "None"},
				Watermarks: []transcode.Watermark{{
					ID: "TopLeft", MaxWidth: "10%", MaxHeight: "10%", SizingPolicy: "ShrinkToFit", HorizontalAlign: "Left", HorizontalOffset: "10%",
					VerticalAlign: "Top", VerticalOffset: "10%", Opacity: "100", Target: "Content",
				}},
			},
			Thumbnails: &transcode.Thumbnails{Format: "png", Interval: "60", MaxWidth: "192", MaxHeight: "144", SizingPolicy: "ShrinkToFit", PaddingPolicy: "NoPad"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("export (-want +got):\n%s", diff)
	}
}

func TestExportOfTheCommandLine(t *testing.T) {
	const pipelines = `{"Pipelines": [{"Id": "1533765810777-ef34gh", "Arn": "arn:aws:elastictranscoder:us-west-2:123456789012:pipeline/1533765810777-ef34gh",
		"Name": "example-pipeline", "Status": "Paused", "InputBucket": "ets-example", "OutputBucket": "ets-example", "Role": "arn:aws:iam::123456789012:role/r",
		"Notifications": {"Progressing": "", "Completed": "", "Warning": "", "Error": ""},
		"ContentConfig": {"Bucket": "ets-example", "Permissions": []}, "ThumbnailConfig": {"Bucket": "ets-example", "Permissions": []}}]}`
	got, err := etapi.ParseExport([]byte(pipelines))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Pipelines) != 1 || got.Pipelines[0].Status != transcode.PipelinePaused || got.Pipelines[0].Content.Bucket != "ets-example" {
		t.Errorf("export = %+v", got)
	}
	const presets = `{"Presets": [
		{"Id": "1351620000001-300020", "Name": "System preset: Audio MP3 - 192k", "Container": "mp3", "Type": "System", "Audio": {"Codec": "mp3"}},
		{"Id": "1533765811000-zz99yy", "Name": "mine", "Container": "mp3", "Type": "Custom", "Audio": {"Codec": "mp3", "BitRate": "64"}}]}`
	if got, err = etapi.ParseExport([]byte(presets)); err != nil || len(got.Presets) != 1 || got.Presets[0].Name != "mine" {
		t.Errorf("export = %+v, %v, want the custom preset only", got, err)
	}
}

func TestBadExports(t *testing.T) {
	for says, text := range map[string]string{
		"not valid JSON":      "nonsense",
		"there is none of":    `{"Jobs": []}`,
		`pipeline "nonsense"`: `{"Pipelines": [{"Id": "nonsense"}]}`,
		"container":           `{"Preset": {"Id": "1533765811000-zz99yy", "Name": "x", "Container": "avi", "Type": "Custom"}}`,
		"is no list":          `{"Pipelines": "x"}`,
	} {
		if x, err := etapi.ParseExport([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("parse %s: %+v, %v, want %q", text, x, err, says)
		}
	}
}

func TestImportKeepsIDsAndMayBeRepeated(t *testing.T) {
	text, err := os.ReadFile("testdata/export/terraform.tfstate")
	if err != nil {
		t.Fatal(err)
	}
	x, err := etapi.ParseExport(text)
	if err != nil {
		t.Fatal(err)
	}
	store, _ := sqlstoretest.Open(t)
	for n, want := range [][]string{{"1533765810590-ab12cd", "1533765811000-zz99yy", "1533765812000-xx88ww"}, nil} {
		made, err := transcode.Import(t.Context(), store, x.Pipelines, x.Presets)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Errorf("import %d (-want +got):\n%s", n+1, diff)
		}
	}
	p, err := store.Pipeline(t.Context(), "1533765810590-ab12cd")
	if err != nil || p.Name != "Audio Files" || len(p.Content.Permissions) != 1 {
		t.Errorf("pipeline = %+v, %v", p, err)
	}
	x.Pipelines[0].ID = "1533765810591-ab12ce"
	x.Presets[1].Container = "wav"
	x.Presets[1].ID = "1533765812001-xx88ww"
	if _, err := transcode.Import(t.Context(), store, x.Pipelines, x.Presets); err == nil {
		t.Error("a preset with video in wav was imported")
	}
	if _, err := store.Pipeline(t.Context(), "1533765810591-ab12ce"); err == nil {
		t.Error("a pipeline was imported beside a preset that was refused")
	}
}
