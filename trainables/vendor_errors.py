"""Maps the error texts of CUDA, cuBLAS, cuDNN, NCCL, gloo, oneDNN and torch.distributed to causes of failures.

These libraries raise one type, RuntimeError, for everything; only the text shows whether a device broke, memory
ran out, a peer ended, or the program is wrong. The first row of the table whose words occur in the text decides: rows
for causes stand before rows for consequences, because one text can hold both (NCCL's "unhandled cuda error" ends with
the text of CUDA).

Names of sources in the table:

- `cudart`: cudaError_t, CUDA Runtime API (docs.nvidia.com, group CUDART_TYPES); cudaGetErrorString returns the text,
  and torch 2.9 and later add the constant.
- `xid`: NVIDIA's catalogue of Xid errors, and NVML's nvmlReturn_t.
- `cublas`, `cudnn`: cublasStatus_t and cudnnStatus_t, with NVIDIA's remarks on their usual causes.
- `nccl`: ncclResult_t; torch adds words in torch/csrc/distributed/c10d/NCCLUtils.cpp.
- `c10d`: torch/csrc/distributed/c10d (ProcessGroupNCCL.cpp, TCPStore.cpp, socket.cpp, Utils.hpp).
- `gloo`: gloo/transport/tcp (pair.cc, error.cc).
- `onednn`: the errors of oneDNN's C++ interface (dnnl.hpp), which torch uses on the CPU; they name no status.
- `torch`: c10 (allocators, CUDAFunctions), ATen.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainables.failure_causes import FailureCause


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorText:
    """One row: words of an error's text in lower case, their cause, and the source of the text."""

    words: str
    cause: FailureCause
    source: str


def _rows(cause: FailureCause, source: str, *words: str) -> tuple[VendorText, ...]:
    return tuple(VendorText(words=text, cause=cause, source=source) for text in words)


TABLE: tuple[VendorText, ...] = (
    *_rows(
        "device_fault",
        "cudart",
        "uncorrectable ecc error",
        "cudaerroreccuncorrectable",
        "uncorrectable nvlink error",
        "cudaerrornvlinkuncorrectable",
        "cudaerrorcontained",  # the hardware contained an error that could not be corrected
        "device(s) is/are busy or unavailable",
        "cudaerrordevicesunavailable",
        "exclusive-thread device already in use",
        "no cuda-capable device is detected",
        "cudaerrornodevice",
        "system not yet initialized",  # the fabric manager of an NVSwitch host does not run
        "cudaerrorsystemnotready",
        "driver version is insufficient",
        "unsupported display driver / cuda driver combination",
        "initialization error",
        "cudaerrorinitializationerror",
        "no kernel image is available for execution on the device",  # this torch was not built for the GPU
        "hardware stack error",
        "cudaerrorhardwarestackerror",
        "the launch timed out and was terminated",  # a display's watchdog ended it
        "cudaerrorlaunchtimeout",
    ),
    *_rows(
        "device_fault",
        "xid",
        "fallen off the bus",
        "gpu is lost",
        "nvrm: xid",
        "gpu requires reset",
        "driver/library version mismatch",
        "unable to determine the device handle",
    ),
    *_rows(
        "device_fault",
        "torch",
        "no cuda gpus are available",
        "found no nvidia driver",
        "nvidia driver on your system is too old",
        "cuda unknown error",
        "not compiled with cuda enabled",
    ),
    # The segments of NCCL's ranks on one host do not fit its /dev/shm; its words end with "No space left on device".
    *_rows("device_fault", "nccl", "error while creating shared memory segment", "error while attaching to shared"),
    *_rows("out_of_memory", "torch", "outofmemoryerror", "can't allocate memory", "std::bad_alloc"),
    *_rows("out_of_memory", "cudart", "out of memory", "cudaerrormemoryallocation"),
    *_rows("out_of_memory", "nccl", "failed to cuda calloc", "failed to cuda host alloc", "failed to cuda malloc"),
    *_rows(
        "out_of_memory",
        "cublas",
        "_status_alloc_failed",  # of cuBLAS, cuDNN, cuSOLVER and cuSPARSE
        "_not_initialized when calling `cublascreate",  # its handle needs memory; torch's allocator has it all
        "_not_initialized when calling `cublasltcreate",
        "_insufficient_resources",
        "insufficient_workspace",
    ),
    *_rows("out_of_memory", "cudnn", "_allocation_failed"),  # host's and device's, since cuDNN 9
    *_rows("out_of_memory", "torch", "not enough memory", "cannot allocate memory", "unable to allocate"),
    *_rows(
        "bug",
        "cudart",
        "device-side assert triggered",  # not "assertions": torch's hint stands below every CUDA error
        "cudaerrorassert",
        "invalid device ordinal",
        "invalid device function",
        "invalid configuration argument",
        "too many resources requested for launch",
        "invalid resource handle",
        "cuda error: invalid argument",
        "'invalid argument'",  # NCCL quotes CUDA
        "operation not permitted when stream is capturing",
    ),
    *_rows(
        "bug", "cublas", "cublas_status_invalid_value", "cublas_status_arch_mismatch", "cublas_status_not_supported"
    ),
    *_rows("bug", "cudnn", "cudnn_status_bad_param", "cudnn_status_not_supported", "cudnn_status_arch_mismatch"),
    *_rows("bug", "nccl", "ncclinvalidusage", "ncclinvalidargument", "duplicate gpu detected"),
    *_rows(
        "suspect",
        "cudart",
        "illegal memory access",
        "cudaerrorillegaladdress",
        "illegal instruction",
        "cudaerrorillegalinstruction",
        "misaligned address",
        "invalid program counter",
        "operation not supported on global/shared address space",
    ),
    *_rows(
        "suspect",
        "cublas",
        "cublas_status_execution_failed",  # often a consequence of an earlier kernel's bad access
        "cublas_status_internal_error",
        "cublas_status_mapping_error",
        "cublas_status_not_initialized",
    ),
    *_rows(
        "suspect",
        "cudnn",
        "cudnn_status_execution_failed",
        "cudnn_status_internal_error",
        "cudnn_status_mapping_error",
        "cudnn_status_not_initialized",
    ),
    *_rows("bug", "onednn", "could not create a primitive descriptor"),  # no implementation for these shapes or types
    *_rows("suspect", "onednn", "could not create a primitive"),  # its code generator had no memory, or a bug
    *_rows("suspect", "nccl", "ncclinternalerror"),  # a bug of NCCL, or memory that was overwritten
    *_rows("device_doubt", "cudart", "unspecified launch failure", "cudaerrorlaunchfailure"),
    *_rows("device_doubt", "cudart", "error: unknown error", "'unknown error'", "cudaerrorunknown"),
    *_rows("peer_lost", "cudart", "mps client has been terminated", "mps server", "driver shutting down"),
    *_rows("peer_lost", "gloo", "gloo/transport/", "gloo connectfullmesh failed", "caused pair closure"),
    *_rows("peer_lost", "gloo", "connection closed by peer", "for recv operation to complete", "for send operation to"),
    *_rows("peer_lost", "c10d", "monitoredbarrier", "watchdog caught collective operation timeout", "nccl timeout in"),
    *_rows(
        "peer_lost", "c10d", "collective operation timeout", "heartbeat monitor timed out", "communicator was aborted"
    ),
    *_rows("peer_lost", "c10d", "socket timeout", "connection was likely closed", "wait timeout"),
    *_rows(
        "peer_lost", "c10d", "waiting for clients", "the client socket has", "the server socket has failed to listen"
    ),
    *_rows("peer_lost", "c10d", "timeout waiting for key", "store_based_barrier", "connection reset by peer"),
    *_rows("peer_lost", "nccl", "ncclremoteerror", "remote process exited", "connection closed by remote peer"),
    *_rows(
        "peer_lost", "nccl", "ncclsystemerror", "unhandled system error"
    ),  # sockets, before NCCL had ncclRemoteError
    *_rows("device_doubt", "nccl", "ncclunhandledcudaerror", "unhandled cuda error"),  # CUDA's own words are above
    # Types of errors, for texts that no row above matches.
    *_rows("peer_lost", "c10d", "distbackenderror", "distnetworkerror", "diststoreerror"),
    *_rows(
        "bug",
        "torch",
        "shapes cannot be multiplied",
        "size mismatch",
        "the size of tensor a",
        "sizes of tensors must match",
        "is invalid for input of size",
        "expected all tensors to be on the same device",
        "expected scalar type",
        "index out of range in self",
        "does not require grad",
        "modified by an inplace operation",
    ),
)
"""Texts and their causes. Add a row only with a source."""


def vendor_cause(text: str) -> FailureCause | None:
    """Return the cause that an error's text names; None if no row matches.

    Args:
        text: `TypeName: message` of one error.
    """
    lower = text.lower()
    return next((row.cause for row in TABLE if row.words in lower), None)
