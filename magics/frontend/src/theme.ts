/** Follow light and dark: JupyterLab's attribute, VS Code's class, else what the system prefers. */

function isDark(): boolean {
  const { body } = document;
  if (body.dataset["jpThemeLight"] !== undefined) return body.dataset["jpThemeLight"] === "false";
  const vscode = body.dataset["vscodeThemeKind"];
  if (vscode !== undefined) return vscode.includes("dark") || vscode === "vscode-high-contrast";
  const declared = document.documentElement.dataset["theme"];
  if (declared === "light" || declared === "dark") return declared === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Keep `data-theme` of `root` true; returns what ends it. */
export function followTheme(root: HTMLElement): () => void {
  const apply = () => {
    root.dataset["theme"] = isDark() ? "dark" : "light";
  };
  const observer = new MutationObserver(apply);
  const attributeFilter = ["data-jp-theme-light", "data-vscode-theme-kind", "data-theme"];
  observer.observe(document.body, { attributes: true, attributeFilter });
  observer.observe(document.documentElement, { attributes: true, attributeFilter });
  const preference = matchMedia("(prefers-color-scheme: dark)");
  preference.addEventListener("change", apply);
  apply();
  return () => {
    observer.disconnect();
    preference.removeEventListener("change", apply);
  };
}
