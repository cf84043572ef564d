package etapi

// shapes are the shapes of AWS's service model for Elastic Transcoder, all of
// them: what a request is checked against, and what the API can be described
// from. Faults of a request are told in the order in which members stand here.
var shapes = resolve(map[string]*shape{
	// One of some words.
	"AccessControl":              enum("FullControl Read ReadAcp WriteAcp"),
	"Ascending":                  enum("true false"),
	"AspectRatio":                enum("auto 1:1 4:3 3:2 16:9"),
	"AudioBitDepth":              enum("8 16 24 32"),
	"AudioBitOrder":              enum("LittleEndian"),
	"AudioChannels":              enum("auto 0 1 2"),
	"AudioCodec":                 enum("AAC vorbis mp3 mp2 pcm flac"),
	"AudioCodecProfile":          enum("auto AAC-LC HE-AAC HE-AACv2"),
	"AudioPackingMode":           enum("SingleTrack OneChannelPerTrack OneChannelPerTrackWithMosTo8Tracks"),
	"AudioSampleRate":            enum("auto 22050 32000 44100 48000 96000 192000"),
	"AudioSigned":                enum("Unsigned Signed"),
	"CaptionFormatFormat":        enum("mov-text srt scc webvtt dfxp cea-708"),
	"CaptionMergePolicy":         enum("MergeOverride MergeRetain Override"),
	"EncryptionMode":             enum("s3 s3-aws-kms aes-cbc-pkcs7 aes-ctr aes-gcm"),
	"FixedGOP":                   enum("true false"),
	"GranteeType":                enum("Canonical Email Group"),
	"HlsContentProtectionMethod": enum("aes-128"),
	"HorizontalAlign":            enum("Left Right Center"),
	"Interlaced":                 enum("auto true false"),
	"JobContainer":               enum("auto 3gp asf avi divx flv mkv mov mp4 mpeg mpeg-ps mpeg-ts mxf ogg ts vob wav webm mp3 m4a aac"),
	"JobStatus":                  enum("Submitted Progressing Complete Canceled Error"),
	"JpgOrPng":                   enum("jpg png"),
	"KeyStoragePolicy":           enum("NoStore WithVariantPlaylists"),
	"MergePolicy":                enum("Replace Prepend Append Fallback"),
	"PaddingPolicy":              enum("Pad NoPad"),
	"PipelineStatus":             enum("Active Paused"),
	"PlaylistFormat":             enum("HLSv3 HLSv4 Smooth MPEG-DASH"),
	"PresetContainer":            enum("mp4 ts webm mp3 flac oga ogg fmp4 mpg flv gif mxf wav mp2"),
	"PresetType":                 enum("System Custom"),
	"Rotate":                     enum("auto 0 90 180 270"),
	"SizingPolicy":               enum("Fit Fill Stretch Keep ShrinkToFit ShrinkToFill"),
	"StorageClass":               enum("ReducedRedundancy Standard"),
	"Success":                    enum("true false"),
	"Target":                     enum("Content Frame"),
	"VerticalAlign":              enum("Top Bottom Center"),
	"WatermarkSizingPolicy":      enum("Fit Stretch ShrinkToFit"),

	// Strings with a pattern.
	"AudioBitRate":                pattern(`^\d{1,3}$`),
	"Base64EncodedString":         pattern(`^$|(^(?:[A-Za-z0-9\+/]{4})*(?:[A-Za-z0-9\+/]{2}==|[A-Za-z0-9\+/]{3}=)?$)`),
	"BucketName":                  pattern(`^(\w|\.|-){1,255}$`),
	"CaptionFormatPattern":        pattern(`(^$)|(^.*\{language\}.*$)`),
	"Digits":                      pattern(`^\d{1,5}$`),
	"DigitsOrAuto":                pattern(`(^auto$)|(^\d{2,4}$)`),
	"FloatString":                 pattern(`^\d{1,5}(\.\d{0,5})?$`),
	"FrameRate":                   pattern(`(^auto$)|(^10$)|(^15$)|(^23.97$)|(^24$)|(^25$)|(^29.97$)|(^30$)|(^50$)|(^60$)`),
	"Id":                          pattern(`^\d{13}-\w{6}$`),
	"KeyIdGuid":                   pattern(`(^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$)|(^[0-9A-Fa-f]{32}$)`),
	"KeyframesMaxDist":            pattern(`^\d{1,6}$`),
	"MaxFrameRate":                pattern(`(^10$)|(^15$)|(^23.97$)|(^24$)|(^25$)|(^29.97$)|(^30$)|(^50$)|(^60$)`),
	"NonEmptyBase64EncodedString": pattern(`(^(?:[A-Za-z0-9\+/]{4})*(?:[A-Za-z0-9\+/]{2}==|[A-Za-z0-9\+/]{3}=)?$)`),
	"Opacity":                     pattern(`^\d{1,3}(\.\d{0,20})?$`),
	"PixelsOrPercent":             pattern(`(^\d{1,3}(\.\d{0,5})?%$)|(^\d{1,4}?px$)`),
	"PlayReadyDrmFormatString":    pattern(`(^microsoft$)|(^discretix-3.0$)`),
	"Resolution":                  pattern(`(^auto$)|(^\d{1,5}x\d{1,5}$)`),
	"SnsTopic":                    pattern(`(^$)|(^arn:aws:sns:.*:\w{12}:.+$)`),
	"ThumbnailPattern":            pattern(`(^$)|(^.*\{count\}.*$)`),
	"ThumbnailResolution":         pattern(`^\d{1,5}x\d{1,5}$`),
	"Time":                        pattern(`(^\d{1,5}(\.\d{0,3})?$)|(^([0-1]?[0-9]:|2[0-3]:)?([0-5]?[0-9]:)?[0-5]?[0-9](\.\d{0,3})?$)`),
	"TimeOffset":                  pattern(`(^[+-]?\d{1,5}(\.\d{0,3})?$)|(^[+-]?([0-1]?[0-9]:|2[0-3]:)?([0-5]?[0-9]:)?[0-5]?[0-9](\.\d{0,3})?$)`),
	"VideoBitRate":                pattern(`(^\d{2,5}$)|(^auto$)`),
	"VideoCodec":                  pattern(`(^H\.264$)|(^vp8$)|(^vp9$)|(^mpeg2$)|(^gif$)`),
	// AWS says in other words what is wrong with a role; the domain has them.
	"Role": {kind: textKind, pattern: `^arn:aws:iam::\w{12}:role/.+$`},
	"WatermarkKey": {
		kind: textKind, min: 1, max: 1024, match: isWatermarkKey,
		pattern: `(^.{1,1020}.jpg$)|(^.{1,1019}.jpeg$)|(^.{1,1020}.png$)`,
	},

	// Strings with a length.
	"CodecOption":       text(1, 255),
	"Description":       text(0, 255),
	"Filename":          text(1, 255),
	"Grantee":           text(1, 255),
	"Key":               text(1, 255),
	"KeyArn":            text(0, 255),
	"LongKey":           text(1, 1024),
	"Name":              text(1, 40),
	"OneTo512String":    text(1, 512),
	"PresetWatermarkId": text(1, 40),
	"ZeroTo255String":   text(0, 255),
	"ZeroTo512String":   text(0, 512),

	// Lists.
	"AccessControls":     list("AccessControl", 30),
	"Artworks":           list("Artwork", 0),
	"CaptionFormats":     list("CaptionFormat", 4),
	"CaptionSources":     list("CaptionSource", 20),
	"Composition":        list("Clip", 0),
	"CreateJobOutputs":   list("CreateJobOutput", 30),
	"CreateJobPlaylists": list("CreateJobPlaylist", 30),
	"ExceptionMessages":  list("String", 0),
	"JobInputs":          list("JobInput", 200),
	"JobOutputs":         list("JobOutput", 0),
	"JobWatermarks":      list("JobWatermark", 0),
	"Jobs":               list("Job", 0),
	"OutputKeys":         list("Key", 30),
	"Permissions":        list("Permission", 30),
	"Pipelines":          list("Pipeline", 0),
	"Playlists":          list("Playlist", 0),
	"PresetWatermarks":   list("PresetWatermark", 0),
	"Presets":            list("Preset", 0),
	"SnsTopics":          list("SnsTopic", 30),
	"Warnings":           list("Warning", 0),

	// Maps.
	"CodecOptions": emptyValues(dict("CodecOption", "CodecOption", 30)),
	"UserMetadata": dict("String", "String", 0),

	// Anything else that is no structure.
	"NullableInteger": {kind: integerKind},
	"NullableLong":    {kind: longKind},
	"String":          text(0, 0),

	// Structures.
	"Artwork": structure(`
		InputKey:WatermarkKey MaxWidth:DigitsOrAuto MaxHeight:DigitsOrAuto SizingPolicy PaddingPolicy
		AlbumArtFormat:JpgOrPng Encryption`),
	"AudioCodecOptions": structure(`Profile:AudioCodecProfile BitDepth:AudioBitDepth BitOrder:AudioBitOrder Signed:AudioSigned`),
	"AudioParameters": structure(`
		Codec:AudioCodec SampleRate:AudioSampleRate BitRate:AudioBitRate Channels:AudioChannels AudioPackingMode
		CodecOptions:AudioCodecOptions`),
	"CancelJobRequest": structure(`Id*@path`),
	"CaptionFormat":    structure(`Format:CaptionFormatFormat Pattern:CaptionFormatPattern Encryption`),
	"CaptionSource":    structure(`Key:LongKey Language:Key TimeOffset Label:Name Encryption`),
	"Captions":         structure(`MergePolicy:CaptionMergePolicy CaptionSources CaptionFormats`),
	"Clip":             structure(`TimeSpan`),
	"CreateJobOutput": structure(`
		Key ThumbnailPattern ThumbnailEncryption:Encryption Rotate PresetId:Id SegmentDuration:FloatString
		Watermarks:JobWatermarks AlbumArt:JobAlbumArt Composition Captions Encryption`),
	"CreateJobPlaylist": structure(`Name:Filename Format:PlaylistFormat OutputKeys HlsContentProtection PlayReadyDrm`),
	"CreateJobRequest": structure(`
		PipelineId*:Id Input:JobInput Inputs:JobInputs Output:CreateJobOutput Outputs:CreateJobOutputs
		OutputKeyPrefix:Key Playlists:CreateJobPlaylists UserMetadata`),
	"CreateJobResponse": structure(`Job`),
	"CreatePipelineRequest": structure(`
		Name* InputBucket*:BucketName OutputBucket:BucketName Role* AwsKmsKeyArn:KeyArn Notifications
		ContentConfig:PipelineOutputConfig ThumbnailConfig:PipelineOutputConfig`),
	"CreatePipelineResponse": structure(`Pipeline Warnings`),
	"CreatePresetRequest": structure(`
		Name* Description Container*:PresetContainer Video:VideoParameters Audio:AudioParameters Thumbnails`),
	"CreatePresetResponse":  structure(`Preset Warning:String`),
	"DeletePipelineRequest": structure(`Id*@path`),
	"DeletePresetRequest":   structure(`Id*@path`),
	"DetectedProperties": structure(`
		Width:NullableInteger Height:NullableInteger FrameRate:FloatString FileSize:NullableLong
		DurationMillis:NullableLong`),
	"Encryption": structure(`
		Mode:EncryptionMode Key:Base64EncodedString KeyMd5:Base64EncodedString InitializationVector:ZeroTo255String`),
	"HlsContentProtection": structure(`
		Method:HlsContentProtectionMethod Key:Base64EncodedString KeyMd5:Base64EncodedString
		InitializationVector:ZeroTo255String LicenseAcquisitionUrl:ZeroTo512String KeyStoragePolicy`),
	"InputCaptions": structure(`MergePolicy:CaptionMergePolicy CaptionSources`),
	"Job": structure(`
		Id Arn:String PipelineId:Id Input:JobInput Inputs:JobInputs Output:JobOutput Outputs:JobOutputs
		OutputKeyPrefix:Key Playlists Status:JobStatus UserMetadata Timing`),
	"JobAlbumArt": structure(`MergePolicy Artwork:Artworks`),
	"JobInput": structure(`
		Key:LongKey FrameRate Resolution AspectRatio Interlaced Container:JobContainer Encryption TimeSpan
		InputCaptions DetectedProperties`),
	"JobOutput": structure(`
		Id:String Key ThumbnailPattern ThumbnailEncryption:Encryption Rotate PresetId:Id SegmentDuration:FloatString
		Status:JobStatus StatusDetail:Description Duration:NullableLong Width:NullableInteger Height:NullableInteger
		FrameRate:FloatString FileSize:NullableLong DurationMillis:NullableLong Watermarks:JobWatermarks
		AlbumArt:JobAlbumArt Composition Captions Encryption AppliedColorSpaceConversion:String`),
	"JobWatermark":               structure(`PresetWatermarkId InputKey:WatermarkKey Encryption`),
	"ListJobsByPipelineRequest":  structure(`PipelineId*@path:Id Ascending@query PageToken@query:Id`),
	"ListJobsByPipelineResponse": structure(`Jobs NextPageToken:Id`),
	"ListJobsByStatusRequest":    structure(`Status*@path:JobStatus Ascending@query PageToken@query:Id`),
	"ListJobsByStatusResponse":   structure(`Jobs NextPageToken:Id`),
	"ListPipelinesRequest":       structure(`Ascending@query PageToken@query:Id`),
	"ListPipelinesResponse":      structure(`Pipelines NextPageToken:Id`),
	"ListPresetsRequest":         structure(`Ascending@query PageToken@query:Id`),
	"ListPresetsResponse":        structure(`Presets NextPageToken:Id`),
	"Notifications":              structure(`Progressing:SnsTopic Completed:SnsTopic Warning:SnsTopic Error:SnsTopic`),
	"Permission":                 structure(`GranteeType Grantee Access:AccessControls`),
	"Pipeline": structure(`
		Id Arn:String Name Status:PipelineStatus InputBucket:BucketName OutputBucket:BucketName Role
		AwsKmsKeyArn:KeyArn Notifications ContentConfig:PipelineOutputConfig ThumbnailConfig:PipelineOutputConfig`),
	"PipelineOutputConfig": structure(`Bucket:BucketName StorageClass Permissions`),
	"PlayReadyDrm": structure(`
		Format:PlayReadyDrmFormatString Key:NonEmptyBase64EncodedString KeyMd5:NonEmptyBase64EncodedString
		KeyId:KeyIdGuid InitializationVector:ZeroTo255String LicenseAcquisitionUrl:OneTo512String`),
	"Playlist": structure(`
		Name:Filename Format:PlaylistFormat OutputKeys HlsContentProtection PlayReadyDrm Status:JobStatus
		StatusDetail:Description`),
	"Preset": structure(`
		Id Arn:String Name Description Container:PresetContainer Audio:AudioParameters Video:VideoParameters
		Thumbnails Type:PresetType`),
	"PresetWatermark": structure(`
		Id:PresetWatermarkId MaxWidth:PixelsOrPercent MaxHeight:PixelsOrPercent SizingPolicy:WatermarkSizingPolicy
		HorizontalAlign HorizontalOffset:PixelsOrPercent VerticalAlign VerticalOffset:PixelsOrPercent Opacity Target`),
	"ReadJobRequest":       structure(`Id*@path`),
	"ReadJobResponse":      structure(`Job`),
	"ReadPipelineRequest":  structure(`Id*@path`),
	"ReadPipelineResponse": structure(`Pipeline Warnings`),
	"ReadPresetRequest":    structure(`Id*@path`),
	"ReadPresetResponse":   structure(`Preset`),
	"TestRoleRequest":      structure(`Role* InputBucket*:BucketName OutputBucket*:BucketName Topics*:SnsTopics`),
	"TestRoleResponse":     structure(`Success Messages:ExceptionMessages`),
	"Thumbnails": structure(`
		Format:JpgOrPng Interval:Digits Resolution:ThumbnailResolution AspectRatio MaxWidth:DigitsOrAuto
		MaxHeight:DigitsOrAuto SizingPolicy PaddingPolicy`),
	"TimeSpan":                            structure(`StartTime:Time Duration:Time`),
	"Timing":                              structure(`SubmitTimeMillis:NullableLong StartTimeMillis:NullableLong FinishTimeMillis:NullableLong`),
	"UpdatePipelineNotificationsRequest":  structure(`Id*@path Notifications*`),
	"UpdatePipelineNotificationsResponse": structure(`Pipeline`),
	"UpdatePipelineRequest": structure(`
		Id*@path Name InputBucket:BucketName Role AwsKmsKeyArn:KeyArn Notifications ContentConfig:PipelineOutputConfig
		ThumbnailConfig:PipelineOutputConfig`),
	"UpdatePipelineResponse":       structure(`Pipeline Warnings`),
	"UpdatePipelineStatusRequest":  structure(`Id*@path Status*:PipelineStatus`),
	"UpdatePipelineStatusResponse": structure(`Pipeline`),
	"VideoParameters": structure(`
		Codec:VideoCodec CodecOptions KeyframesMaxDist FixedGOP BitRate:VideoBitRate FrameRate MaxFrameRate Resolution
		AspectRatio MaxWidth:DigitsOrAuto MaxHeight:DigitsOrAuto DisplayAspectRatio:AspectRatio SizingPolicy
		PaddingPolicy Watermarks:PresetWatermarks`),
	"Warning":                structure(`Code:String Message:String`),
	"CancelJobResponse":      structure(``),
	"DeletePipelineResponse": structure(``),
	"DeletePresetResponse":   structure(``),
})
