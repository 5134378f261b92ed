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
amp_jpeg_status amp_jpeg_read_header(amp_jpeg *jpeg, uint32_t *width, uint32_t *height, uint32_t *channels);

/// Decodes into width × height × channels bytes, rows from the top. After `amp_jpeg_read_header`, once.
/// Warnings of the library are no errors: where data is damaged and the file goes on, so does the picture, as in other
/// programs. A file that ends early is one.
amp_jpeg_status amp_jpeg_read_pixels(amp_jpeg *jpeg, uint8_t *pixels);

/// The library's words about the last failure; valid until the next call.
const char *amp_jpeg_message(const amp_jpeg *jpeg);

#ifdef __cplusplus
}
#endif

#endif
