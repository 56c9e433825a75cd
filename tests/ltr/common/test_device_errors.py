import pickle

import pytest
import torch

from ltr.common.device_errors import DeviceError, device_error, is_out_of_memory
from ltr.common.errors import InputError, exit_status


class AcceleratorError(RuntimeError):
    """As torch 2.8 and later names it."""


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


FAILURES = [
    RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be reported later"),
    AcceleratorError("unspecified launch failure"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError("CUDNN_STATUS_MAPPING_ERROR"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnCreate(handle)`"),
    RuntimeError("cuFFT error: CUFFT_INTERNAL_ERROR"),
    RuntimeError("CUDA driver error: unknown error"),
    RuntimeError("Triton Error [CUDA]: misaligned address"),
    RuntimeError("NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp:1131"),
    RuntimeError("HIP error: an illegal memory access was encountered"),
]
MEMORY = [
    MemoryError(),
    OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    AcceleratorError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
]
OTHERS = [
    RuntimeError("The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 0"),
    RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"),
    ValueError("no CUDA"),
    InputError("device 'cuda' was asked for, but PyTorch finds no GPU here; use --device cpu"),
    FileNotFoundError("networks/cuda error.pth"),
]


@pytest.mark.parametrize("error", FAILURES, ids=str)
def test_failures_of_a_gpu(error: Exception) -> None:
    found = device_error(error)
    assert found is not None
    assert found.found == str(error).partition("\n")[0]
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", MEMORY, ids=str)
def test_lost_memory_is_no_failure_of_the_gpu(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert device_error(error) is None


@pytest.mark.parametrize("error", OTHERS[:-1], ids=str)
def test_other_errors(error: Exception) -> None:
    assert device_error(error) is None
    assert not is_out_of_memory(error)


def test_what_torch_raises() -> None:
    if hasattr(torch, "AcceleratorError"):
        assert device_error(torch.AcceleratorError("CUDA error: misaligned address")) is not None
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))


@pytest.mark.parametrize("hidden", [False, True])
def test_errors_behind_errors(hidden: bool) -> None:
    def wrapped(inner: Exception) -> Exception:
        try:
            try:
                raise inner
            except Exception as error:
                raise InputError("the file does not fit") from None if hidden else error
        except InputError as error:
            return error

    assert device_error(wrapped(FAILURES[0])) is not None
    assert device_error(wrapped(DeviceError("lost"))) is not None
    assert device_error(wrapped(MEMORY[1])) is None
    assert is_out_of_memory(wrapped(MEMORY[1]))


def test_it_travels_between_processes() -> None:
    error = DeviceError("lost", "there")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def _raising(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize("error", [FAILURES[0], DeviceError("CUDA error: an illegal memory access was encountered")])
def test_programs_end_with_one_sentence(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status(lambda: _raising(error)) == 1
    assert capsys.readouterr().err == (
        "error: the GPU failed: CUDA error: an illegal memory access was encountered; only a new process can use it: "
        "start the same command again, what is finished is kept\n"
    )


def test_other_ends_of_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status(lambda: 7) == 7
    assert exit_status(lambda: _raising(InputError("no"))) == 2
    assert exit_status(lambda: _raising(FileNotFoundError("none"))) == 2
    assert exit_status(lambda: _raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "error: no\nerror: none\n"
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: _raising(ZeroDivisionError()))
