"""Which processors multiply bfloat16 with units of their own, and so faster than float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def has_bfloat16_units(device: torch.device) -> bool:
    """Whether a torch device does: NVIDIA's from Ampere on, and CPUs with AMX or AVX-512 BF16."""
    import torch

    if device.type == "cuda":
        return torch.version.cuda is not None and torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu":
        return False
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    found: list[Any] = [getattr(torch.cpu, check, None) for check in checks]
    return any(check is not None and check() for check in found)
