"""Reasons about keys, tokens, hand-offs and sessions."""

from __future__ import annotations

from idp.errors.tree import Denied, Expired, Invalid, Spent, Unauthenticated


class InvalidApiKey(Unauthenticated):
    """No API key, an unknown one, a revoked one, or one of a disabled biller or partner: one answer for all."""

    code = "InvalidApiKey"
    public = "The API key is missing or not valid."
    fix = "Send a live key in the X-Api-Key header; keys end when they are revoked or their rotation overlap is over."


class ScopeMissing(Denied):
    """The API key does not carry the scope of the operation."""

    code = "ScopeMissing"
    public = "This API key may not do that."
    fix = "Ask the biller to add the scope to the key; Ping shows the scopes it has."


class SessionRequired(Unauthenticated):
    """A portal page without a live session."""

    code = "SessionRequired"
    public = "You are not signed in, or you were away for too long."
    fix = "Start again from the portal that you came from."


class InvalidRedirect(Invalid):
    """A CloudSSOConnect parameter is missing, given twice, out of range or not allowed."""

    code = "InvalidRedirect"
    http = 400
    public = "This link does not work."
    fix = "Compare the redirect with the partner guide; the reference shows which parameter was wrong and what was expected."


class TokenUnknown(Unauthenticated):
    """The remote-authentication token was never issued here, is damaged, or is long gone."""

    code = "TokenUnknown"
    public = "This link has expired."
    fix = "Call Remote Authentication and redirect at once with the token it answers, unchanged."


class TokenExpired(Expired):
    """A remote-authentication token past its lifetime, or ended by a revoke, a sign-out, a password change or a disabled key."""

    code = "TokenExpired"
    public = "This link has expired."
    fix = "Call Remote Authentication again; the reference shows by what the token ended."


class TokenSpent(Spent):
    """A single-use token was presented again."""

    code = "TokenSpent"
    public = "This link was used already."
    fix = "A single_use token is good for one redirect: authenticate again for each, or use the token policy session."


class WrongBiller(Denied):
    """A token of one biller on the host of another."""

    code = "WrongBiller"
    public = "This link does not work here."
    fix = "Redirect to the ConnectUrl that Remote Authentication answered; it names the biller that the token is for."


class ReturnUrlRefused(Denied):
    """A ReturnUrl that is not on the list of the key."""

    code = "ReturnUrlRefused"
    public = "This link does not work."
    fix = "Register the origin (and path prefix) of the ReturnUrl with the key, or leave the ReturnUrl out."


class ViewModeRefused(Denied):
    """The browser says frame where ViewMode says full page, or the other way round."""

    code = "ViewModeRefused"
    public = "This link does not work in this place."
    fix = "Send ViewMode 1 into an iFrame, 0 for a full page, 2 for a new tab."


class DestinationRefused(Denied):
    """A RedirectID that the API key may not use."""

    code = "DestinationRefused"
    public = "This link does not work."
    fix = "Ask the biller to allow the RedirectID to the key; Ping shows the allowed ones."


class AccountRefused(Denied):
    """The AccountNumber in a redirect is not one of the user's accounts; it is never replaced by another."""

    code = "AccountRefused"
    public = "This account is not open to you."
    fix = "Send an AccountNumber that Remote Authentication listed for the user, or none."


class UserDisabled(Denied):
    """The payer's login was disabled by the biller."""

    code = "UserDisabled"
    public = "This login is disabled."
    fix = "Ask the biller; a disabled user cannot be authenticated or signed in."


class CredentialsRefused(Unauthenticated):
    """A key whose policy asks for the payer's password, and no right password of the payer: one answer for every cause."""

    code = "CredentialsRefused"
    public = "The sign-in was refused."
    fix = "Keys with the policy authenticate=password must send the payer's password; trusted keys need none (Ping tells)."
