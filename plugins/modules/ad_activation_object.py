#!/usr/bin/python

# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ad_activation_object
short_description: Delete an activation object from Active Directory
version_added: 0.1.0
author:
  - the winops.kms authors (@winops)
description:
  - Deletes one activation object by LDAP. Domain members that it has activated stay so until their licence has to be
    renewed, up to 180 days.
  - Activation objects are made by M(winops.kms.ad_activation). To make one again spends one more activation of its key.
  - Replaces C(slmgr.vbs /del-ao).
extends_documentation_fragment:
  - winops.kms._attributes
  - winops.kms._directory
  - winops.kms._directory.module
attributes:
  check_mode:
    support: full
    details:
      - The directory is read, and nothing else is sent. Whether the account may delete the object is not known then.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - The display name or the common name of the object, or its distinguished name. A text with C(,cn=) in it counts
        as a distinguished name. Case does not count.
      - When several objects have the name, the task fails and lists them.
    type: str
    required: true
  state:
    description:
      - V(absent) makes sure that there is no such object.
    type: str
    choices: [absent]
    default: absent
seealso:
  - module: winops.kms.ad_activation
  - module: winops.kms.ad_activation_info
"""

EXAMPLES = r"""
- name: Delete the activation object of a key that is no longer used
  winops.kms.ad_activation_object:
    name: Contoso volume licences
    state: absent
    ldap_server: dc1.contoso.com
    ldap_user: CONTOSO\licensing
    ldap_password: "{{ vault_licensing_password }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
activation_object:
  description:
    - The object that was deleted, or would be in check mode.
    - V(null) if there was none.
  returned: success
  type: dict
  contains:
    name:
      description: Its display name, or the common name if it had none.
      type: str
      sample: Contoso volume licences
    cn:
      description: Its common name, the first part of RV(activation_object.dn).
      type: str
      sample: Contoso
    dn:
      description: Its distinguished name.
      type: str
      sample: CN=Contoso,CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=contoso,DC=com
    partial_product_key:
      description: The last five characters of the key.
      type: str
      sample: HK222
    product_key_id:
      description: The extended product ID of the key, from which the key can't be told.
      type: str
      sample: 03612-00206-596-123456-03-1033-20348.0000-0602026
    activation_id:
      description: The activation ID of the KMS host licence that the key was for. V(null) if the directory had none.
      type: str
      sample: 6e9fc069-257d-4bc4-b4a7-750514d32743
    created:
      description: When it was created, in UTC. V(null) if the directory does not tell.
      type: str
      sample: "2026-03-02T08:00:00Z"
msg:
  description: What was done, or what went wrong.
  returned: always
  type: str
  sample: deleted Contoso volume licences
error:
  description: What went wrong.
  returned: failure
  type: dict
  contains:
    code:
      description: The number of the LDAP result if the directory has sent one, otherwise the same as RV(error.name).
      type: str
      sample: "50"
    name:
      description:
        - The symbol of the error. V(INVALID_OPTION) means that an option cannot be right and nothing was sent.
      type: str
      sample: INSUFFICIENT_ACCESS_RIGHTS
    message:
      description: What happened, and where.
      type: str
      sample: >-
        While deleting CN=Contoso,...: the directory server dc1.contoso.com at port 636 does not allow it to the account
        kms-reader@contoso.com (LDAP result 50).
    remedy:
      description: The likely cause and the next step.
      type: str
      sample: Use an account that may write to the container of activation objects.
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.winops.kms.plugins.module_utils._directory import library
from ansible_collections.winops.kms.plugins.module_utils._directory.arguments import ARGUMENTS as DIRECTORY
from ansible_collections.winops.kms.plugins.module_utils._directory.errors import DirectoryError, InputError
from ansible_collections.winops.kms.plugins.module_utils._directory.objects import Directory, choose
from ansible_collections.winops.kms.plugins.module_utils._directory.options import access_of

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["absent"], "default": "absent"},
    **DIRECTORY,
}


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """The result of the module. Raises DirectoryError; for what cannot be right, before anything is sent."""
    name = params["name"].strip()
    if not name:
        raise InputError("name", "it is empty.", "Give the name of the activation object, or its DN.")
    directory = Directory(access_of(params))
    target = choose(directory.objects(), name)
    if target is None:
        return {
            "changed": False,
            "activation_object": None,
            "msg": f"there is no activation object {name}",
            "diff": {"before": "", "after": ""},
        }
    if not check:
        directory.delete(target)
    return {
        "changed": True,
        "activation_object": target.as_result(),
        "msg": f"{'would delete' if check else 'deleted'} {target.name}",
        "diff": {
            "before": f"{target.name} (key {target.partial_product_key}, {target.dn})\n",
            "after": "",
            "before_header": "activation object",
            "after_header": "activation object",
        },
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    problem = library.problem()
    if problem is not None:
        module.fail_json(msg=missing_required_lib(library.REQUIREMENT), exception=problem)
    try:
        result = run(module.params, check=module.check_mode)
    except DirectoryError as error:
        module.fail_json(msg=str(error), error=error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
