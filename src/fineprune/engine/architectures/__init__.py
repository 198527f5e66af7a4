"""The architectures that the engine runs, by the `model_type` of their config."""

from collections.abc import Mapping

from fineprune.engine.architectures.albert import ALBERT
from fineprune.engine.architectures.architecture import Architecture
from fineprune.engine.architectures.bert import BERT
from fineprune.engine.architectures.deberta import DEBERTA_V2
from fineprune.engine.architectures.distilbert import DISTILBERT
from fineprune.engine.architectures.electra import ELECTRA
from fineprune.engine.architectures.modernbert import MODERNBERT
from fineprune.engine.architectures.mpnet import MPNET
from fineprune.engine.architectures.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA

__all__ = ["ARCHITECTURES", "Architecture"]

ARCHITECTURES: Mapping[str, Architecture] = {
    "albert": ALBERT,
    "bert": BERT,
    "camembert": CAMEMBERT,
    "deberta-v2": DEBERTA_V2,
    "distilbert": DISTILBERT,
    "electra": ELECTRA,
    "modernbert": MODERNBERT,
    "mpnet": MPNET,
    "roberta": ROBERTA,
    "xlm-roberta": XLM_ROBERTA,
}
"""The architectures by `model_type`."""
