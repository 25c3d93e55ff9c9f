// As bright as the book was left, if this is a page of it.
(() => {
  let theme = null;
  try { theme = localStorage.getItem('mdbook-theme'); } catch (_) { /* a page from a file may not be allowed to */ }
  theme = theme && theme.replace(/"/g, '');
  if (theme && theme !== 'default_theme') {
    document.documentElement.dataset.theme = theme === 'light' || theme === 'rust' ? 'light' : 'dark';
  }
})();
