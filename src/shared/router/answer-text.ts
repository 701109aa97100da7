/** The text of the first choice in a plain answer of OpenAI's shape, or in the events of a stream; null where there is none: tool
 *  calls, audio, an error. */
export function answerText(body: string): string | null {
	const text = body.trimStart().startsWith("{") ? plainText(body) : streamText(body);
	return text === "" ? null : text;
}

function plainText(body: string): string {
	return textIn(parsed(body), "message");
}

function streamText(body: string): string {
	let text = "";
	for (const line of body.split(/\r\n|\r|\n/)) {
		if (line.startsWith("data:")) text += textIn(parsed(line.slice(5)), "delta");
	}
	return text;
}

/** Of choice 0, wherever it stands; other choices of a stream have events of their own. */
function textIn(value: unknown, part: "message" | "delta"): string {
	const choices = member(value, "choices");
	if (!Array.isArray(choices)) return "";
	const choice: unknown = choices.find((each) => (member(each, "index") ?? 0) === 0);
	const content = member(member(choice, part), "content") ?? member(choice, "text");
	return typeof content === "string" ? content : "";
}

function member(value: unknown, name: string): unknown {
	return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text) as unknown;
	} catch {
		return undefined;
	}
}
