// clang-format off
// libjpeg's header asks for those before it.
#include <stddef.h>
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "CImages.h"

// A progressive file with thousands of tiny scans would take minutes. Files of usual programs have ten or so.
static const int maximum_scans = 500;

struct amp_jpeg {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    // The library asked for bytes behind the last one.
    bool is_over;
    bool has_too_many_scans;
    char message[JMSG_LENGTH_MAX];
};

static amp_jpeg *owner(j_common_ptr info) { return info->client_data; }

// The library's way out of a failure; it must not return.
static void leave(j_common_ptr info) {
    amp_jpeg *jpeg = owner(info);
    info->err->format_message(info, jpeg->message);
    longjmp(jpeg->escape, 1);
}

// Neither warnings nor traces are printed; the library counts warnings itself.
static void hear(j_common_ptr info, int level) {
    if (level < 0) info->err->num_warnings++;
}

static void print_nothing(j_common_ptr info) { (void)info; }

static void watch_scans(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number <= maximum_scans) return;
    amp_jpeg *jpeg = owner(info);
    jpeg->has_too_many_scans = true;
    snprintf(jpeg->message, sizeof jpeg->message, "it has more than %d scans", maximum_scans);
    longjmp(jpeg->escape, 1);
}

static void do_nothing(j_decompress_ptr info) { (void)info; }

// All bytes are there from the start: whoever asks for more has come to the end, and is told so by a marker of the end.
static boolean fill(j_decompress_ptr info) {
    static const JOCTET end[] = {0xff, JPEG_EOI};
    owner((j_common_ptr)info)->is_over = true;
    info->src->next_input_byte = end;
    info->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void skip(j_decompress_ptr info, long count) {
    struct jpeg_source_mgr *source = info->src;
    if (count <= 0) return;
    if ((size_t)count > source->bytes_in_buffer) {
        fill(info);
        return;
    }
    source->next_input_byte += count;
    source->bytes_in_buffer -= (size_t)count;
}

static bool create(amp_jpeg *jpeg) {
    if (setjmp(jpeg->escape)) return false;
    jpeg_create_decompress(&jpeg->info);
    return true;
}

amp_jpeg *amp_jpeg_open(const uint8_t *bytes, size_t count) {
    amp_jpeg *jpeg = calloc(1, sizeof *jpeg);
    if (jpeg == NULL) return NULL;
    jpeg->info.err = jpeg_std_error(&jpeg->errors);
    jpeg->errors.error_exit = leave;
    jpeg->errors.emit_message = hear;
    jpeg->errors.output_message = print_nothing;
    jpeg->info.client_data = jpeg;
    if (!create(jpeg)) {
        free(jpeg);
        return NULL;
    }
    jpeg->source = (struct jpeg_source_mgr){
        .next_input_byte = bytes,
        .bytes_in_buffer = count,
        .init_source = do_nothing,
        .fill_input_buffer = fill,
        .skip_input_data = skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = do_nothing,
    };
    jpeg->info.src = &jpeg->source;
    jpeg->progress.progress_monitor = watch_scans;
    jpeg->info.progress = &jpeg->progress;
    return jpeg;
}

void amp_jpeg_close(amp_jpeg *jpeg) {
    if (jpeg == NULL) return;
    // It calls back for nothing but memory.
    jpeg_destroy_decompress(&jpeg->info);
    free(jpeg);
}

static amp_jpeg_status why(const amp_jpeg *jpeg) {
    if (jpeg->is_over) return AMP_JPEG_CUT_SHORT;
    if (jpeg->has_too_many_scans) return AMP_JPEG_DAMAGED;
    switch (jpeg->errors.msg_code) {
        case JERR_OUT_OF_MEMORY:
            return AMP_JPEG_NO_MEMORY;
        case JERR_ARITH_NOTIMPL:
        case JERR_BAD_PRECISION:
        case JERR_CCIR601_NOTIMPL:
        case JERR_CONVERSION_NOTIMPL:
        case JERR_FRACT_SAMPLE_NOTIMPL:
        case JERR_NOTIMPL:
        case JERR_NOT_COMPILED:
        case JERR_SOF_UNSUPPORTED:
            return AMP_JPEG_UNSUPPORTED;
        default:
            return AMP_JPEG_DAMAGED;
    }
}

// Libjpeg's own reckoning: each component's blocks, of 64 coefficients each, in full units of the scan.
static uint64_t coefficient_bytes(const struct jpeg_decompress_struct *info) {
    uint64_t width = 8 * (uint64_t)info->max_h_samp_factor;
    uint64_t height = 8 * (uint64_t)info->max_v_samp_factor;
    uint64_t across = (info->image_width + width - 1) / width;
    uint64_t down = (info->image_height + height - 1) / height;
    uint64_t blocks = 0;
    for (int number = 0; number < info->num_components; number++) {
        const jpeg_component_info *component = &info->comp_info[number];
        blocks += across * (uint64_t)component->h_samp_factor * down * (uint64_t)component->v_samp_factor;
    }
    return blocks * sizeof(JBLOCK);
}

amp_jpeg_status amp_jpeg_read_header(amp_jpeg *jpeg, uint32_t *width, uint32_t *height, uint32_t *channels,
                                     uint64_t *held) {
    if (setjmp(jpeg->escape)) return why(jpeg);
    jpeg_read_header(&jpeg->info, TRUE);
    bool has_ink = jpeg->info.jpeg_color_space == JCS_CMYK || jpeg->info.jpeg_color_space == JCS_YCCK;
    jpeg->info.out_color_space = has_ink ? JCS_CMYK : JCS_RGB;
    *width = jpeg->info.image_width;
    *height = jpeg->info.image_height;
    *channels = has_ink ? 4 : 3;
    *held = jpeg_has_multiple_scans(&jpeg->info) ? coefficient_bytes(&jpeg->info) : 0;
    return AMP_JPEG_DONE;
}

amp_jpeg_status amp_jpeg_start(amp_jpeg *jpeg) {
    if (setjmp(jpeg->escape)) return why(jpeg);
    jpeg_start_decompress(&jpeg->info);
    return AMP_JPEG_DONE;
}

amp_jpeg_status amp_jpeg_read_row(amp_jpeg *jpeg, uint8_t *row) {
    if (setjmp(jpeg->escape)) return why(jpeg);
    jpeg_read_scanlines(&jpeg->info, &row, 1);
    return AMP_JPEG_DONE;
}

amp_jpeg_status amp_jpeg_finish(amp_jpeg *jpeg) {
    if (setjmp(jpeg->escape)) return why(jpeg);
    jpeg_finish_decompress(&jpeg->info);
    return jpeg->is_over ? AMP_JPEG_CUT_SHORT : AMP_JPEG_DONE;
}

const char *amp_jpeg_message(const amp_jpeg *jpeg) { return jpeg->message; }
