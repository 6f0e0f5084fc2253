"""What the texts of CUDA, cuBLAS, cuDNN, NCCL, gloo and torch.distributed mean for whoever decides what is tried next.

These libraries raise one type, RuntimeError, for everything; the text alone says whether a device broke, memory ran
out, a peer is gone, or the program is wrong. The table is read from the top, the first words that occur decide: what
names a cause stands before what names a consequence, because one text holds both (NCCL's "unhandled cuda error" ends
with what CUDA said).

Sources, as the table names them:

- `cudart`: cudaError_t, CUDA Runtime API (docs.nvidia.com, group CUDART_TYPES); cudaGetErrorString gives the words,
  and torch 2.9 and later name the constant too.
- `xid`: NVIDIA's catalogue of Xid errors, and NVML's nvmlReturn_t.
- `cublas`, `cudnn`: cublasStatus_t and cudnnStatus_t, with NVIDIA's remarks on what they are usually caused by.
- `nccl`: ncclResult_t; torch adds words in torch/csrc/distributed/c10d/NCCLUtils.cpp.
- `c10d`: torch/csrc/distributed/c10d (ProcessGroupNCCL.cpp, TCPStore.cpp, socket.cpp, Utils.hpp).
- `gloo`: gloo/transport/tcp (pair.cc, error.cc).
- `torch`: c10 (allocators, CUDAFunctions), ATen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VendorClass = Literal["device_fault", "device_doubt", "out_of_memory", "bug", "suspect", "lost"]
"""`device_fault`: the device, or its host, cannot do the work; `device_doubt`: it cannot, or a kernel did something
forbidden: it counts against the device unless the trial fails wherever it runs; `suspect`: a bug, or a device that has
gone wrong: tried once more; `bug`: the program is wrong, and does the same wherever it runs; `lost`: a peer is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorText:
    """One row: words that occur in an error's text, in lower case, what they mean, and where they come from."""

    words: str
    means: VendorClass
    source: str


def _rows(means: VendorClass, source: str, *words: str) -> tuple[VendorText, ...]:
    return tuple(VendorText(words=one, means=means, source=source) for one in words)


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
        "no kernel image is available for execution on the device",  # a GPU that this torch was not built for
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
    *_rows("suspect", "nccl", "ncclinternalerror"),  # a bug of NCCL, or memory that was overwritten
    *_rows("device_doubt", "cudart", "unspecified launch failure", "cudaerrorlaunchfailure"),
    *_rows("device_doubt", "cudart", "error: unknown error", "'unknown error'", "cudaerrorunknown"),
    *_rows("lost", "cudart", "mps client has been terminated", "mps server", "driver shutting down"),
    *_rows("lost", "gloo", "gloo/transport/", "gloo connectfullmesh failed", "caused pair closure"),
    *_rows("lost", "gloo", "connection closed by peer", "for recv operation to complete", "for send operation to"),
    *_rows("lost", "c10d", "monitoredbarrier", "watchdog caught collective operation timeout", "nccl timeout in"),
    *_rows("lost", "c10d", "collective operation timeout", "heartbeat monitor timed out", "communicator was aborted"),
    *_rows("lost", "c10d", "socket timeout", "connection was likely closed", "wait timeout"),
    *_rows("lost", "c10d", "waiting for clients", "the client socket has", "the server socket has failed to listen"),
    *_rows("lost", "c10d", "timeout waiting for key", "store_based_barrier", "connection reset by peer"),
    *_rows("lost", "nccl", "ncclremoteerror", "remote process exited", "connection closed by remote peer"),
    *_rows(
        "lost", "nccl", "ncclsystemerror", "unhandled system error"
    ),  # sockets, before ncclRemoteError was there too
    *_rows("device_doubt", "nccl", "ncclunhandledcudaerror", "unhandled cuda error"),  # CUDA's own words are above
    # Types, for texts that no row knows: what is above has been asked first.
    *_rows("lost", "c10d", "distbackenderror", "distnetworkerror", "diststoreerror"),
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
"""What the texts mean. Words are only added where a source names them."""


def vendor_class(text: str) -> VendorClass | None:
    """Return what an error's text means, its type's name before it; None for a text that no vendor wrote.

    Args:
        text: `TypeName: what it says`, of one error.
    """
    said = text.lower()
    return next((row.means for row in TABLE if row.words in said), None)
