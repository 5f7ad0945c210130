# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Editions that can't be what is asked of them: evaluation editions take no volume key, Azure Edition is no KMS host.

By EditionID (which the name of a licence has) or by OperatingSystemSKU, whichever is known.  Numbers: GetProductInfo
(learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-getproductinfo).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# ServerStandardEval, ServerStandardEvalCor, EnterpriseEval, EnterpriseNEval, ...
_EVALUATION = re.compile(r"Eval(Cor)?$", re.IGNORECASE)
_EVALUATION_SKUS = frozenset({72, 79, 80, 84, 95, 96, 129, 130, 159, 160})
_AZURE = re.compile(r"ServerTurbine", re.IGNORECASE)
_AZURE_SKUS = frozenset({407, 408})

EVALUATION_REMEDY = (
    "Convert it to a volume edition first: DISM /Online /Get-TargetEditions, then DISM /Online /Set-Edition with "
    "/ProductKey and /AcceptEula (a Windows client has to be installed anew)"
)
AZURE_REMEDY = "Choose a machine with the Standard or Datacenter edition; Azure Edition is activated by Azure"


def is_evaluation(editions: Iterable[str], sku: int | None = None) -> bool:
    """Whether this is an evaluation edition."""
    return any(_EVALUATION.search(edition) for edition in editions) or sku in _EVALUATION_SKUS


def is_azure_edition(editions: Iterable[str], sku: int | None = None) -> bool:
    """Whether this is Windows Server Datacenter: Azure Edition."""
    return any(_AZURE.match(edition) for edition in editions) or sku in _AZURE_SKUS
