import com.pixelmed.validate.DicomSRValidator;

/** What PixelMed's template checker says of each file, one process for all: its style sheets take half a minute. */
class TemplateChecker {
    public static void main(String[] paths) throws Exception {
        DicomSRValidator validator = new DicomSRValidator();
        for (String path : paths) {
            System.out.println("File " + path);
            System.out.println(validator.validate(path));
        }
    }
}
