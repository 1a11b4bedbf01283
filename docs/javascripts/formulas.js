// Draws the formulas of a page with KaTeX, which comes with the site (katex/, version 0.19.1, MIT):
// nothing is fetched from elsewhere, so that the pages also work offline.
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll(".arithmatex")) {
    const source = element.textContent.trim();
    katex.render(source.slice(2, -2), element, {
      displayMode: source.startsWith("\\["),
      throwOnError: false,
    });
  }
});
