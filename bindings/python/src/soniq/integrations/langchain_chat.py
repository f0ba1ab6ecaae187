"""A language model as a chat model of LangChain; `soniq.integrations.langchain.chat_model` makes one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ..command.opening import CommandError
from ..command.template import ChatTemplate, Messages
from ..generation import Generation, SamplingOptions, TextGeneration, vocabulary_size
from ..model import Model, load

try:
    from langchain_core.callbacks import CallbackManagerForLLMRun
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
except ImportError as error:
    raise ImportError(f"chat_model needs the package langchain-core: pip install langchain-core ({error})") from error

ROLES = {"human": "user", "ai": "assistant", "system": "system"}
KNOWN = {*SamplingOptions.__annotations__, "max_tokens", "grammar", "lookup"}


class SoniqChat(BaseChatModel):
    """Answers conversations by the chat template of the model's file. Several may be answered at once."""

    packed: Any
    template: Any
    options: dict[str, Any]

    @classmethod
    def of(cls, model: str | os.PathLike[str] | Model, threads: int, options: dict[str, Any]) -> SoniqChat:
        """`chat_model`, which describes it."""
        if isinstance(model, Model) and threads:
            raise TypeError("threads is for a path: an open model has those that it was loaded with")
        packed = model if isinstance(model, Model) else load(model, threads=threads)
        vocabulary_size(packed)
        source = options.pop("template", None)
        _require_known(options)
        try:
            return cls(packed=packed, template=ChatTemplate(packed, source), options=options)
        except CommandError as error:
            raise ValueError(str(error)) from None

    @property
    def _llm_type(self) -> str:
        return "soniq"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": str(self.packed.metadata.get("general.name", "")), **self.options}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer, count = self._answer(messages, stop, kwargs)
        text = ""
        for piece in answer:
            text += piece
            if run_manager:
                run_manager.on_llm_new_token(piece)
        ended = {"finish_reason": answer.stop_reason}
        message = AIMessage(text, response_metadata=ended, usage_metadata=_usage(count, answer))
        return ChatResult(generations=[ChatGeneration(message=message, generation_info=ended)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer, count = self._answer(messages, stop, kwargs)
        for piece in answer:
            chunk = ChatGenerationChunk(message=AIMessageChunk(piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        ended = {"finish_reason": answer.stop_reason}
        last = AIMessageChunk("", response_metadata=ended, usage_metadata=_usage(count, answer), chunk_position="last")
        yield ChatGenerationChunk(message=last, generation_info=ended)

    def _answer(
        self, messages: list[BaseMessage], stop: list[str] | None, changes: dict[str, Any]
    ) -> tuple[TextGeneration, int]:
        """The text that is to come, and the number of tokens before it."""
        _require_known(changes)
        options = {"max_tokens": 512, **self.options, **changes}
        try:
            ids = self.template.tokens(_conversation(messages))
        except CommandError as error:
            raise ValueError(str(error)) from None
        generation: Generation = self.packed.generate(ids, **options)
        return TextGeneration(generation, self.packed.tokenizer.stream(), tuple(stop or ())), len(ids)


def _require_known(options: dict[str, Any]) -> None:
    unknown = sorted(options.keys() - KNOWN)
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}: expected one of {', '.join(sorted(KNOWN))}")


def _conversation(messages: list[BaseMessage]) -> Messages:
    """Messages as chat templates read them. Raises ValueError for those that are no text of the three roles."""
    result = []
    for message in messages:
        role = message.role if message.type == "chat" else ROLES.get(message.type)
        if role is None:
            raise ValueError(f"a message of the kind {message.type!r}: chat templates have {', '.join(ROLES)}")
        content = message.content
        if not isinstance(content, str):
            if any(isinstance(part, dict) and part.get("type") != "text" for part in content):
                raise ValueError("a message holds something else than text, which the model does not read")
            content = "".join(part if isinstance(part, str) else str(part["text"]) for part in content)
        result.append({"role": role, "content": content})
    return result


def _usage(count: int, answer: TextGeneration) -> UsageMetadata:
    said = len(answer.generation.tokens)
    return UsageMetadata(input_tokens=count, output_tokens=said, total_tokens=count + said)
