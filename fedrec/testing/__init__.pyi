from fedrec.testing.conformance import ConformanceError as ConformanceError
from fedrec.testing.encoders import check_encoder as check_encoder
from fedrec.testing.losses import check_loss as check_loss
from fedrec.testing.models import check_model as check_model
from server.aggregation.conformance import check_strategy as check_strategy

__all__ = ["ConformanceError", "check_encoder", "check_loss", "check_model", "check_strategy"]
