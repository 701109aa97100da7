/** Says of an exception where it happened; `path`: of the request, or its id. The text of a bug may hold anything of a request, so the log does not get it. */
export function logBug(error: unknown, path: string): void {
	const { name, stack: text = "", message } = error instanceof Error ? error : new Error(String(error));
	const stack = text.slice(text.indexOf(message) + message.length);
	// Wrong settings say which field is wrong, and hold nothing of a request.
	const settings = name.endsWith("ZodError") ? { message } : {};
	console.error(JSON.stringify({ event: "bug", path, name, stack, ...settings }));
}
