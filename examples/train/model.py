"""A byte-level GPT, small enough that two CPU cores train it at several steps a second.

Dropout is on, so that a resumed run matches only if the generators were restored too.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.train.options import ModelSize

VOCABULARY: Final = 256
DROPOUT: Final = 0.1


class Block(nn.Module):
    """Pre-norm attention and feed-forward on (batch, context, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + functional.dropout(self._attend(self.attention_norm(x)), DROPOUT, self.training)
        hidden = functional.gelu(self.mlp_in(self.mlp_norm(x)))
        return x + functional.dropout(self.mlp_out(hidden), DROPOUT, self.training)

    def _attend(self, x: Tensor) -> Tensor:
        batch, context, width = x.shape
        packed = self.attention_in(x).view(batch, context, 3, self.heads, width // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.attention_out(mixed.transpose(1, 2).reshape(batch, context, width))


class Gpt(nn.Module):
    """Next-byte logits (batch, context, 256) of int64 bytes (batch, context)."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.bytes = nn.Embedding(VOCABULARY, size.width)
        self.positions = nn.Embedding(size.context, size.width)
        self.blocks = nn.ModuleList(Block(size.width, size.heads) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, VOCABULARY, bias=False)
        for table in (self.bytes, self.positions, self.head):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, text: Tensor) -> Tensor:
        x = self.bytes(text) + self.positions(torch.arange(text.shape[1], device=text.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
