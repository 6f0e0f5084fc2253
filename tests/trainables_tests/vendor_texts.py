# ruff: noqa: E501  the texts are as long as their libraries make them
"""Real texts of CUDA, its libraries, NCCL, gloo and torch.distributed, with what they are to be taken for."""

from __future__ import annotations

import torch
import torch.distributed as dist

from trainables.failure_causes import FailureCause

HINT = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
    "incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)
"""Stands below every CUDA error of torch (c10/cuda/CUDAMiscFunctions.cpp)."""


def searched(name: str) -> str:
    """Return the line by which torch 2.9 and later point to a constant (c10/cuda/CUDAException.cpp)."""
    url = "https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html"
    return f"\nSearch for `{name}' in {url} for more information."


NCCL = (
    "NCCL error in: /pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:3690, {}, NCCL version 2.27.5\n{}\n"
    "Last error:\n{}"
)
"""C10D_NCCL_CHECK (c10d/NCCLUtils.hpp), with what ncclGetErrorString, torch and ncclGetLastError say."""
UNHANDLED = (
    "unhandled cuda error (run with NCCL_DEBUG=INFO for details)",
    "ncclUnhandledCudaError: Call to CUDA function failed.",
)
SYSTEM = (
    "unhandled system error (run with NCCL_DEBUG=INFO for details)",
    "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error. ",
)
REMOTE = (
    "remote process exited or there was a network error",
    "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.",
)
WATCHDOG = (
    "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=4, OpType=BROADCAST, NumelIn=112, "
    "NumelOut=112, Timeout(ms)=1800000) ran for 1800011 milliseconds before timing out."
)
TERMINATED = "[PG ID 0 PG GUID 0(default_pg) Rank 3] Process group watchdog thread terminated with exception: "

TEXTS: tuple[tuple[FailureCause | None, type[Exception], str], ...] = (
    # gloo/transport/tcp: pair.cc, unbound_buffer.cc; ProcessGroupGloo
    (
        "peer_lost",
        RuntimeError,
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:58054",
    ),
    (
        "peer_lost",
        RuntimeError,
        "[../third_party/gloo/gloo/transport/tcp/pair.cc:598] Read error [10.0.0.2]:1711: Connection reset by peer",
    ),
    (
        "peer_lost",
        RuntimeError,
        "[../third_party/gloo/gloo/transport/tcp/pair.cc:446] writev [10.0.0.2]:40211: Broken pipe",
    ),
    (
        "peer_lost",
        RuntimeError,
        "[/pytorch/third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 1800000ms for recv operation to complete",
    ),
    (
        "peer_lost",
        RuntimeError,
        "Gloo connectFullMesh failed with [../third_party/gloo/gloo/transport/tcp/pair.cc:144] no error",
    ),
    ("peer_lost", RuntimeError, "Application timeout caused pair closure"),
    ("peer_lost", RuntimeError, "Rank 1 failed to pass monitoredBarrier in 2000 ms"),
    # ProcessGroupNCCL, NCCL
    (
        "peer_lost",
        dist.DistBackendError,
        NCCL.format(*REMOTE, "socketProgress: Connection closed by remote peer ng30903-ib<51159>"),
    ),
    (
        "peer_lost",
        dist.DistBackendError,
        NCCL.format(*SYSTEM, "socketPollConnect: Connect to 10.0.0.3<42137> returned 113(No route to host)"),
    ),
    ("peer_lost", dist.DistBackendError, WATCHDOG),
    ("peer_lost", dist.DistBackendError, "NCCL communicator was aborted on rank 1."),
    ("peer_lost", dist.DistBackendError, "NCCL timeout in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1200"),
    # TCPStore, socket.cpp, Utils.hpp
    ("peer_lost", dist.DistStoreError, "wait timeout after 300000ms, keys: /default_pg/0//cpu//0/1"),
    ("peer_lost", dist.DistStoreError, "Timed out after 1801 seconds waiting for clients. 1/2 clients joined."),
    ("peer_lost", dist.DistNetworkError, "Connection reset by peer"),
    ("peer_lost", dist.DistNetworkError, "Socket Timeout"),
    ("peer_lost", RuntimeError, "Socket Timeout"),
    (
        "peer_lost",
        dist.DistNetworkError,
        "Failed to recv, got 0 bytes. Connection was likely closed. Did the remote server shutdown or crash?",
    ),
    (
        "peer_lost",
        dist.DistNetworkError,
        "The client socket has timed out after 60000ms while trying to connect to (10.0.0.1, 29500).",
    ),
    (
        "peer_lost",
        dist.DistNetworkError,
        "The server socket has failed to listen on any local network address. port: 40000, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use",
    ),
    # torch's allocators, cudaErrorMemoryAllocation, the libraries' own
    (
        "out_of_memory",
        torch.OutOfMemoryError,
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.15 GiB of which 3.25 MiB is free. Process 11 has 79.14 GiB memory in use.",
    ),
    (
        "out_of_memory",
        torch.AcceleratorError,
        f"CUDA error: out of memory{searched('cudaErrorMemoryAllocation')}{HINT}",
    ),
    ("out_of_memory", RuntimeError, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ("out_of_memory", RuntimeError, "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    ("out_of_memory", RuntimeError, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ("out_of_memory", RuntimeError, "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    (
        "out_of_memory",
        RuntimeError,
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 29696000 bytes. Error code 12 (Cannot allocate memory)",
    ),
    (
        "out_of_memory",
        RuntimeError,
        "unable to allocate shared memory(shm) for file </torch_4_1>: No space left on device (28)",
    ),
    ("out_of_memory", dist.DistBackendError, NCCL.format(*UNHANDLED, "Cuda failure 2 'out of memory'")),
    ("out_of_memory", dist.DistBackendError, NCCL.format(*UNHANDLED, "Failed to CUDA calloc async 608 bytes")),
    # cudaError_t of devices and hosts
    (
        "device_fault",
        torch.AcceleratorError,
        f"CUDA error: uncorrectable ECC error encountered{searched('cudaErrorECCUncorrectable')}{HINT}",
    ),
    (
        "device_fault",
        RuntimeError,
        "cuda runtime error (39) : uncorrectable ECC error encountered at /pytorch/aten/src/THC/THCCachingHostAllocator.cpp:265",
    ),
    (
        "device_fault",
        torch.AcceleratorError,
        f"CUDA error: uncorrectable NVLink error detected during the execution{HINT}",
    ),
    ("device_fault", torch.AcceleratorError, f"CUDA error: CUDA-capable device(s) is/are busy or unavailable{HINT}"),
    ("device_fault", torch.AcceleratorError, f"CUDA error: no CUDA-capable device is detected{HINT}"),
    ("device_fault", torch.AcceleratorError, f"CUDA error: the launch timed out and was terminated{HINT}"),
    (
        "device_fault",
        torch.AcceleratorError,
        f"CUDA error: hardware stack error{searched('cudaErrorHardwareStackError')}{HINT}",
    ),
    (
        "device_fault",
        RuntimeError,
        "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that might have already set an error? Error 802: system not yet initialized",
    ),
    (
        "device_fault",
        RuntimeError,
        "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero.",
    ),
    ("device_fault", RuntimeError, "No CUDA GPUs are available"),
    (
        "device_fault",
        RuntimeError,
        "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver",
    ),
    ("device_fault", RuntimeError, "NVRM: Xid (PCI:0000:44:00): 79, GPU has fallen off the bus."),
    (
        "device_fault",
        RuntimeError,
        "Unable to determine the device handle for GPU0000:02:00.0: GPU is lost. Reboot the system to recover this GPU",
    ),
    ("device_fault", dist.DistBackendError, f"{TERMINATED}CUDA error: uncorrectable ECC error encountered{HINT}"),
    (
        "device_fault",
        dist.DistBackendError,
        NCCL.format(
            *SYSTEM,
            "Error while creating shared memory segment /dev/shm/nccl-Xk2aB1 (size 9637888), error: No space left on device (28)",
        ),
    ),
    (
        "device_doubt",
        torch.AcceleratorError,
        f"CUDA error: unspecified launch failure{searched('cudaErrorLaunchFailure')}{HINT}",
    ),
    ("device_doubt", torch.AcceleratorError, f"CUDA error: unknown error{HINT}"),
    ("device_doubt", dist.DistBackendError, NCCL.format(*UNHANDLED, "Cuda failure 999 'unknown error'")),
    # a bug, or a device that has gone wrong
    (
        "suspect",
        torch.AcceleratorError,
        f"CUDA error: an illegal memory access was encountered{searched('cudaErrorIllegalAddress')}{HINT}",
    ),
    ("suspect", RuntimeError, "could not create a primitive"),
    ("bug", RuntimeError, "could not create a primitive descriptor for the matmul primitive"),
    ("suspect", torch.AcceleratorError, f"CUDA error: misaligned address{HINT}"),
    ("suspect", torch.AcceleratorError, f"CUDA error: an illegal instruction was encountered{HINT}"),
    ("suspect", dist.DistBackendError, f"{TERMINATED}CUDA error: an illegal memory access was encountered{HINT}"),
    (
        "suspect",
        RuntimeError,
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb, m, n, k, &alpha, a, lda, b, ldb, &beta, c, ldc)`",
    ),
    (
        "suspect",
        RuntimeError,
        "CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasGemmEx( handle, opa, opb, m, n, k)`",
    ),
    ("suspect", RuntimeError, "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    (
        "suspect",
        dist.DistBackendError,
        NCCL.format(
            "internal error - please report this issue to the NCCL developers",
            "ncclInternalError: Internal check failed.",
            "Net : Call to recv failed",
        ),
    ),
    # a bug
    ("bug", torch.AcceleratorError, f"CUDA error: device-side assert triggered{searched('cudaErrorAssert')}{HINT}"),
    ("bug", torch.AcceleratorError, f"CUDA error: invalid argument{HINT}"),
    ("bug", torch.AcceleratorError, f"CUDA error: invalid device ordinal{HINT}"),
    (
        "bug",
        RuntimeError,
        "CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasGemmStridedBatchedEx(handle, opa, opb, (int)m, (int)n, (int)k)`",
    ),
    ("bug", RuntimeError, "cuDNN error: CUDNN_STATUS_BAD_PARAM"),
    (
        "bug",
        dist.DistBackendError,
        NCCL.format(
            "invalid usage (run with NCCL_DEBUG=WARN for details)",
            "ncclInvalidUsage: This usually reflects invalid usage of NCCL library.",
            "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 1000",
        ),
    ),
    ("bug", dist.DistBackendError, NCCL.format(*UNHANDLED, "Cuda failure 1 'invalid argument'")),
    ("bug", RuntimeError, "mat1 and mat2 shapes cannot be multiplied (8x32 and 48x3)"),
    (
        "bug",
        RuntimeError,
        "The size of tensor a (512) must match the size of tensor b (514) at non-singleton dimension 1",
    ),
    # not the vendors': what downloads and files say is another matter
    (None, ConnectionResetError, "[Errno 104] Connection reset by peer"),
    (None, OSError, "[Errno 110] Connection timed out"),
    (None, ValueError, "out of memory is what this sentence is about"),
    (None, RuntimeError, "the tokenizer has no padding token"),
)
