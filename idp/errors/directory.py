"""Reasons about billers, partners, keys, customers, users, registrations and what is imported."""

from __future__ import annotations

from collections.abc import Sequence

from idp.errors.tree import Conflict, Denied, Expired, FailedItem, FieldError, Invalid, NotFound


class InvalidFile(Invalid):
    """An import file is refused whole; its report gives line and reason."""

    code = "InvalidFile"
    public = "The file was refused and nothing of it was taken over."
    fix = "Correct the line that the report names and send the whole file again."


class AccountAlreadyRegistered(Denied):
    """The biller allows one registered user per account, and there is one."""

    code = "AccountAlreadyRegistered"
    public = "This account already has a user."
    fix = "The biller's policy multi_user is off: the account's user must be unregistered first."


class BillerNotFound(NotFound):
    """No biller with that id."""

    code = "BillerNotFound"
    public = "There is no such biller."
    fix = "List the billers and use the BID, slug or GUID of one of them."


class PartnerNotFound(NotFound):
    """No partner with that id."""

    code = "PartnerNotFound"
    public = "There is no such partner."
    fix = "List the partners and use the id or slug of one of them."


class ApiKeyNotFound(NotFound):
    """No API key with that id at this biller."""

    code = "ApiKeyNotFound"
    public = "There is no such API key."
    fix = "List the keys of the biller and use the id of one of them (never the secret)."


class CustomerNotFound(NotFound):
    """No customer with that GUID or account number at this biller."""

    code = "CustomerNotFound"
    public = "There is no such account."
    fix = "Check the account number or CustomerGUID; a key sees the accounts of its own biller only."


class RegistrationNotPending(NotFound):
    """The user has no registration on that account that anybody could decide about."""

    code = "RegistrationNotPending"
    public = "There is nothing to decide about this registration."
    fix = (
        "List the registrations that wait for a decision: this one was approved, declined, restored or ended, or its time is over."
    )


class UserNotFound(NotFound):
    """No user that this key may speak for."""

    code = "UserNotFound"
    public = "There is no such user."
    fix = "Register the user first, or name it by something that it was registered with."


class ImportRunNotFound(NotFound):
    """No import run with that id at this biller."""

    code = "ImportRunNotFound"
    public = "There is no such import run."
    fix = "Use the id that the import printed, with the BID of its biller."


class JobNotFound(NotFound):
    """No job with that id at this biller, or none that can be retried."""

    code = "JobNotFound"
    public = "There is no such job."
    fix = "Use an ID that `idhub jobs list` shows, with its biller; only dead jobs can be retried."


class ReferenceNotFound(NotFound):
    """No stored refusal with that reference, or it is older than its retention."""

    code = "ReferenceNotFound"
    public = "There is nothing under this reference."
    fix = "References are kept for 30 days; copy them from data-reference or X-Request-Id."


class CustomerExists(Conflict):
    """An account number that the biller has already."""

    code = "CustomerExists"
    public = "An account with this number exists already."
    fix = "Use the existing record, or update it."


class UserNameTaken(Conflict):
    """The user name belongs to another user of the biller."""

    code = "UserNameTaken"
    public = "This user name is taken."
    fix = "Choose another user name, or send the LoginGUID or PartnerUserID of the user that has it."


class AmbiguousUser(Conflict):
    """What was sent names several users."""

    code = "AmbiguousUser"
    public = "This names more than one user."
    fix = "Name the user by LoginGUID, PartnerUserID or UserName; an e-mail address may be shared."


class Raced(Conflict):
    """Another request took the same seat or name in the same moment. The verb begins again; a caller sees this if that fails."""

    code = "Raced"
    public = "Somebody else changed this in the same moment."
    fix = "Send the request again."


class ImportRunning(Conflict):
    """Another import of the biller is at work, or one died a moment ago and still holds its lease."""

    code = "ImportRunning"
    public = "Another import for this biller is running."
    fix = "Wait until it is done, or for a minute if it was killed. Then import the file again: nothing is imported twice."


class JobRunning(Conflict):
    """A worker has the job."""

    code = "JobRunning"
    public = "A worker is running this job."
    fix = "Wait until the worker is done, or stop it first."


class JobNotRepeatable(Conflict):
    """What the job needed was removed when it was given up."""

    code = "JobNotRepeatable"
    public = "This job cannot be run again."
    fix = "Its file was deleted when it was given up: ask the partner to send the file again, and drop the job."


class PartnerUserIdTaken(Conflict):
    """The partner's own id already names another of its users."""

    code = "PartnerUserIdTaken"
    public = "This PartnerUserID belongs to another user."
    fix = "Send the PartnerUserID that the user was registered with, or none."


class UserRequired(Conflict):
    """An account was named instead of a user, and it has several users and no Owner."""

    code = "UserRequired"
    public = "This account has several users; name the one you mean."
    fix = "Name the user by LoginGUID, PartnerUserID, UserName or EmailAddress; Retrieve Users lists the users of an account."


class RolledBack(Conflict):
    """A batch with `Atomic: true` in which an item failed: nothing of it was written."""

    code = "RolledBack"
    public = "One of the items failed, so nothing was changed."
    fix = "Results names the item that failed and why; correct it, or send the batch without Atomic."

    def __init__(self, detail: str = "", *, items: Sequence[FailedItem] = (), fields: Sequence[FieldError] = ()) -> None:
        super().__init__(detail, fields=fields)
        self.items = tuple(items)


class PasswordOwnedByPartner(Conflict):
    """The password of the user belongs to another partner."""

    code = "PasswordOwnedByPartner"
    public = "This password is managed by another portal."
    fix = "Only the partner that owns the password can change it; the biller can give the ownership back to the hub."


class ConfirmationGone(Expired):
    """A link in a mail that is unknown, past its time, or was answered before."""

    code = "ConfirmationGone"
    public = "This link has expired or was used already."
    fix = "Repeat the call that asked for the confirmation: it sends a new mail."


class ThemeNotFound(NotFound):
    """No theme with that CSSUrl at this biller."""

    code = "ThemeNotFound"
    public = "There is no such theme."
    fix = "List the themes of the biller and use the CSSUrl of one of them, or ask for it first."


class InvoiceFileNotFound(NotFound):
    """No uploaded invoice file with that id at this biller."""

    code = "InvoiceFileNotFound"
    public = "There is no such invoice file."
    fix = "Use the id that the upload answered, with a key of the same biller."


class AlreadyExists(Conflict):
    """A name that must be unique is in use: BID, slug, host, partner."""

    code = "AlreadyExists"
    public = "This name is in use already."
    fix = "Choose another name, or change the existing record."


class SharedOriginRefused(Conflict):
    """Two billers would share one origin."""

    code = "SharedOriginRefused"
    public = "Each biller needs a host of its own."
    fix = "Give the biller a host, or accept the loss of isolation with IDHUB_SHARED_ORIGIN=accepted."
