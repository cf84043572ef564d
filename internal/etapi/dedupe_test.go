package etapi

import "testing"

// TestDedupeMetadata is about requests that may be sent twice, as those of the
// Lambda function, whose tests send them.
func TestDedupeMetadata(t *testing.T) {
	t.Parallel()
	spec, err := createJob(`{"PipelineId":"1111111111111-abcde1","Input":{"Key":"a"},"Outputs":[{"Key":"b","PresetId":"1351620000001-300110"}],
		"UserMetadata":{"` + DedupeMetadata + `":"7","other":"8"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if spec.DedupeKey != "request/owner/7" || spec.UserMetadata[DedupeMetadata] != "7" {
		t.Errorf("got key %q and metadata %v, want the value in both", spec.DedupeKey, spec.UserMetadata)
	}
	spec, err = createJob(`{"PipelineId":"1111111111111-abcde1","Input":{"Key":"a"},"Outputs":[{"Key":"b","PresetId":"1351620000001-300110"}]}`)
	if err != nil || spec.DedupeKey != "" {
		t.Errorf("without it: got key %q, %v; want none", spec.DedupeKey, err)
	}
}
