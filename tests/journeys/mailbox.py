"""A mailbox that keeps the messages that an SMTP server has received."""

import email
import re
from email.message import Message

from aiosmtpd.handlers import Message as MessageHandler

from tests.system import wait_until


class Mailbox(MessageHandler):
    """Stores the messages that an SMTP server has received."""

    def __init__(self) -> None:
        super().__init__(message_class=Message)
        self.messages: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.messages.append(email.message_from_bytes(message.as_bytes()))

    def subjects_to(self, address: str) -> list[str]:
        return [str(message["Subject"]) for message in self._messages_to(address)]

    def link_to(self, address: str, path: str) -> str:
        """Wait for a message to an address with a link that has this path, and return the link."""
        wait_until(lambda: self._links_to(address, path))
        return self._links_to(address, path)[0]

    def _links_to(self, address: str, path: str) -> list[str]:
        link = re.compile(rf"http://\S+{re.escape(path)}\S+")
        texts = [text_of(message) for message in self._messages_to(address)]
        return [found for text in texts for found in link.findall(text)]

    def _messages_to(self, address: str) -> list[Message]:
        return [message for message in self.messages if address in str(message["To"])]


def text_of(message: Message) -> str:
    part = next(part for part in message.walk() if part.get_content_type() == "text/plain")
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    return body.decode()
