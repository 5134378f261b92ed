// Pictures: libspng as it is, and JPEG by libjpeg-turbo behind calls that return.
#ifndef AMP4EC_IMAGES_H
#define AMP4EC_IMAGES_H

#include <spng.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What became of a call.
typedef enum {
    AMP_JPEG_DONE = 0,
    /// The file is damaged.
    AMP_JPEG_DAMAGED,
    /// The file ends before the picture does.
    AMP_JPEG_CUT_SHORT,
    /// A right file of a kind that libjpeg-turbo does not decode to 8-bit colours.
    AMP_JPEG_UNSUPPORTED,
    AMP_JPEG_NO_MEMORY,
} amp_jpeg_status;

/// One JPEG while it is decoded.
typedef struct amp_jpeg amp_jpeg;

/// The bytes must stay where they are until `amp_jpeg_close`. NULL where there is no memory.
amp_jpeg *amp_jpeg_open(const uint8_t *bytes, size_t count);
void amp_jpeg_close(amp_jpeg *jpeg);

/// Reads up to the picture's data.
/// - channels: 3 for RGB; 4 for CMYK as it is stored.
/// - held: the bytes that decoding holds at once beside a few rows: the whole picture's coefficients where they come in
///   several scans (progressive files, and few others), otherwise 0.
amp_jpeg_status amp_jpeg_read_header(amp_jpeg *jpeg, uint32_t *width, uint32_t *height, uint32_t *channels,
                                     uint64_t *held);

/// Makes ready for the rows. After `amp_jpeg_read_header`, once.
amp_jpeg_status amp_jpeg_start(amp_jpeg *jpeg);

/// Decodes the next row, from the top, into width × channels bytes: as many times as there are rows.
/// Warnings of the library are no errors: where data is damaged and the file goes on, so does the picture, as in other
/// programs.
amp_jpeg_status amp_jpeg_read_row(amp_jpeg *jpeg, uint8_t *row);

/// After the last row. A file that ended early is told here, or before.
amp_jpeg_status amp_jpeg_finish(amp_jpeg *jpeg);

/// The library's words about the last failure; valid until the next call.
const char *amp_jpeg_message(const amp_jpeg *jpeg);

#ifdef __cplusplus
}
#endif

#endif
