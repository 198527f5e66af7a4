"""Any packed model as a model of transformers that makes use of its zeros."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from fineprune.engine.matrices import Arithmetic
from fineprune.engine.native import choose_instruction_set, require_native
from fineprune.engine.plan import Planner
from fineprune.packing import SparseTensor
from fineprune.pruning import load_model
from fineprune.pruning.model_folder import model_folder

RunsSparse = Callable[[str, SparseTensor], bool]


def load(file: str | Path) -> PreTrainedModel:
    """Loads a packed model of any architecture, in eval mode, for inference on a CPU.

    Linear layers whose zeros make the engine's kernels faster than dense ones, which a short
    measurement tells, run these; everything else is the model of transformers. `torch.compile` and
    `torch.export` see one operator, `fineprune::sparse_linear`. For the architectures that `Engine`
    knows, that is faster still.

    Args:
        file: a packed file, or a folder with one; a finalized folder will do as well.

    Raises:
        PackedFileError: the file is no packed model, or a damaged one.
        NativeMissingError: the engine's native part is not installed.
    """
    require_native()
    # Whoever loads in inference mode gets a model like any other, which can be used outside of it.
    with torch.inference_mode(False), model_folder(Path(file)) as folder:
        model = load_model(folder)
        run_sparse(model)
    return model


def run_sparse(model: nn.Module) -> None:
    """Lets linear layers run the engine's kernels, where a short measurement says that it pays.

    Args:
        model: any model, on a CPU.

    Raises:
        NativeMissingError: the engine's native part is not installed.
    """
    require_native()
    planner = Planner(Arithmetic("float32", choose_instruction_set()))
    replace_linears(model, lambda name, weight: planner.choose(name, weight).kind == "sparse")


def run_dense(model: nn.Module) -> None:
    """The inverse: puts linear layers of PyTorch in the place of sparse ones."""
    from fineprune.pytorch.sparse_linear import SparseLinear

    for name, module in list(model.named_modules()):
        if isinstance(module, SparseLinear):
            model.set_submodule(name, module.to_linear())


def replace_linears(model: nn.Module, runs_sparse: RunsSparse) -> None:
    """Puts sparse linear layers in the place of dense ones that have zeros, where they pay.

    Args:
        model: any model.
        runs_sparse: whether the matrix of this name is to run sparse.
    """
    for name, module in list(model.named_modules()):
        if type(module) is not nn.Linear:  # subclasses may use their weight in other ways
            continue
        weight = module.weight.detach().float().numpy()
        if weight.all():
            continue
        sparse = SparseTensor.of(weight.shape, weight, None)
        if runs_sparse(f"{name}.weight", sparse):
            model.set_submodule(name, _sparse_linear(sparse, module))


def _sparse_linear(weight: SparseTensor, linear: nn.Linear) -> nn.Module:
    # Imported here: defining the operator needs the native part.
    from fineprune.pytorch.sparse_linear import SparseLinear

    return SparseLinear(weight, linear.bias).train(linear.training)
