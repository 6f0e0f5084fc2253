"""What a store holds, who needs it, and freeing its space."""

from search.stages.collecting import Collected, Limits, Removal, collect
from search.stages.listing import StageLine, Verdict, list_stages, verify_stages

__all__ = ["Collected", "Limits", "Removal", "StageLine", "Verdict", "collect", "list_stages", "verify_stages"]
