package etapi

import "fmt"

// refusal is a member of a request that is well-formed and that nothing here
// can do yet. Ignoring it would make another file than was asked for.
type refusal struct {
	member string
	asked  func(document) bool // whether the structure asks for it
	why    string
}

// given is a refusal of a member that says anything at all.
func given(member, why string) refusal {
	return refusal{member, func(d document) bool { return d.given(member) }, why}
}

// captioned is a refusal of captions that are to be read or written. A
// MergePolicy by itself has nothing to merge.
func captioned(member string) refusal {
	return refusal{member, func(d document) bool {
		c := d.structure(member)
		return c.given("CaptionSources") || c.given("CaptionFormats")
	}, "captions are not possible yet"}
}

// encrypted is a refusal of all encryption that is not the store's own.
func encrypted(member string) refusal {
	return refusal{member, func(d document) bool {
		e := d.structure(member)
		return d.given(member) && e.text("Mode") != "s3"
	}, "encryption other than of Mode s3 is not possible yet"}
}

var (
	jobRefusals = []refusal{
		given("Playlists", "playlists are not possible yet"),
	}
	inputRefusals = []refusal{
		given("TimeSpan", "cutting a clip is not possible yet"),
		captioned("InputCaptions"),
		encrypted("Encryption"),
	}
	outputRefusals = []refusal{
		given("SegmentDuration", "segmented outputs are not possible yet"),
		given("Watermarks", "watermarks are not possible yet"),
		given("Composition", "cutting a clip is not possible yet"),
		{"AlbumArt", func(d document) bool { return d.structure("AlbumArt").given("Artwork") }, "artwork of its own is not possible yet"},
		captioned("Captions"),
		encrypted("Encryption"),
		encrypted("ThumbnailEncryption"),
	}
)

// refuseUnsupported names the first thing that a CreateJob request asks for and
// that is not possible yet.
func refuseUnsupported(job document, inputs, outputs []document) error {
	if err := refuse("The job", job, jobRefusals); err != nil {
		return err
	}
	for i, in := range inputs {
		if err := refuse(fmt.Sprintf("Input %d", i+1), in, inputRefusals); err != nil {
			return err
		}
	}
	for i, out := range outputs {
		if err := refuse(fmt.Sprintf("Output %d", i+1), out, outputRefusals); err != nil {
			return err
		}
	}
	return nil
}

func refuse(what string, d document, refusals []refusal) error {
	for _, r := range refusals {
		if r.asked(d) {
			return validation(fmt.Sprintf("%s has %s: %s.", what, r.member, r.why))
		}
	}
	return nil
}
