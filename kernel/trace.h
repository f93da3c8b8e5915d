/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM uio_pci_user

#if !defined(UPU_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define UPU_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(upu_range,
	TP_PROTO(const char *device, u64 iova, u64 size, u32 detail),
	TP_ARGS(device, iova, size, detail),
	TP_STRUCT__entry(
		__array(char, device, 16)
		__field(u64, iova)
		__field(u64, size)
		__field(u32, detail)
	),
	TP_fast_assign(
		strscpy(__entry->device, device, sizeof(__entry->device));
		__entry->iova = iova;
		__entry->size = size;
		__entry->detail = detail;
	),
	TP_printk("%s iova=%#llx size=%#llx detail=%u",
		  __entry->device, __entry->iova, __entry->size, __entry->detail)
);

/* detail: UPU_DMA_* flags */
DEFINE_EVENT(upu_range, upu_map,
	TP_PROTO(const char *device, u64 iova, u64 size, u32 detail),
	TP_ARGS(device, iova, size, detail));

/* detail: 0 */
DEFINE_EVENT(upu_range, upu_unmap,
	TP_PROTO(const char *device, u64 iova, u64 size, u32 detail),
	TP_ARGS(device, iova, size, detail));

/* detail: UPU_CAUSE_* */
DEFINE_EVENT(upu_range, upu_invalidate,
	TP_PROTO(const char *device, u64 iova, u64 size, u32 detail),
	TP_ARGS(device, iova, size, detail));

TRACE_EVENT(upu_interrupt,
	TP_PROTO(const char *device, u32 vector),
	TP_ARGS(device, vector),
	TP_STRUCT__entry(
		__array(char, device, 16)
		__field(u32, vector)
	),
	TP_fast_assign(
		strscpy(__entry->device, device, sizeof(__entry->device));
		__entry->vector = vector;
	),
	TP_printk("%s vector=%u", __entry->device, __entry->vector)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
